//! The tables of `lem.db`, in their newest version.

diesel::table! {
    campaigns (id) {
        id -> Text,
        campaign -> Text,
        file -> Text,
        plan -> Text,
        seed -> Nullable<BigInt>,
        settings -> Text,
        state -> Text,
        started_at -> Text,
        ended_at -> Nullable<Text>,
        structure -> Nullable<Text>,
        cycles -> Nullable<BigInt>,
        basis -> Nullable<Text>,
    }
}

diesel::table! {
    experiments (instance, hash) {
        instance -> Text,
        hash -> Text,
        name -> Text,
        backend -> Nullable<Text>,
        config -> Text,
        source -> Nullable<Text>,
    }
}

diesel::table! {
    runs (instance, position) {
        instance -> Text,
        position -> BigInt,
        run -> Text,
        experiment -> Text,
        repetition -> BigInt,
        cycle -> BigInt,
        name -> Text,
        state -> Text,
        verdict -> Nullable<Text>,
        exit_code -> Nullable<Integer>,
        attempts -> BigInt,
        started_at -> Nullable<Text>,
        ended_at -> Nullable<Text>,
        seconds -> Nullable<Double>,
        command_seconds -> Nullable<Double>,
        result -> Nullable<Text>,
        service -> Nullable<Text>,
        strategy -> Nullable<Text>,
        gate_seconds -> Nullable<Double>,
        gap_seconds -> Nullable<Double>,
        idle_seconds -> Nullable<Double>,
        dropped_at -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(campaigns, runs);
