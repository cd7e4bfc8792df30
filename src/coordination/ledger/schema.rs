//! The tables of the ledger, in their newest version.

diesel::table! {
    meta (id) {
        id -> BigInt,
        store -> Text,
        boot -> Text,
        epoch -> BigInt,
        counter -> BigInt,
    }
}

diesel::table! {
    owners (id) {
        id -> Text,
        host -> Text,
        boot -> Text,
        pid -> BigInt,
        pid_start -> BigInt,
        namespace -> BigInt,
        file -> Text,
        who -> Text,
        heartbeat -> BigInt,
        lease -> BigInt,
    }
}

diesel::table! {
    operations (id) {
        id -> BigInt,
        state -> Text,
        kind -> Nullable<Text>,
        parts -> Text,
        what -> Text,
        command -> Nullable<Text>,
        agent -> Text,
        reason -> Nullable<Text>,
        priority -> Integer,
        rank -> BigInt,
        project -> Text,
        on_conflict -> Text,
        over_shared -> Bool,
        parent -> Nullable<BigInt>,
        requested_at -> Text,
        started_at -> Nullable<Text>,
        ended_at -> Nullable<Text>,
        queued -> BigInt,
        started -> Nullable<BigInt>,
        took -> Nullable<BigInt>,
        waited -> Nullable<BigInt>,
        expect -> Nullable<BigInt>,
        limit_ms -> Nullable<BigInt>,
        owner -> Text,
        who -> Text,
        token -> Nullable<BigInt>,
        step -> Nullable<Text>,
        step_until -> Nullable<BigInt>,
        settle -> BigInt,
        freed -> Nullable<BigInt>,
        cancel -> Nullable<Text>,
        exit_code -> Nullable<Integer>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        operation -> BigInt,
        at -> Text,
        what -> Text,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    containers (resource) {
        resource -> Text,
        names -> Text,
        ports -> Text,
        needs -> Nullable<Text>,
        source -> Text,
        learned_at -> Text,
    }
}

diesel::table! {
    engines (endpoint) {
        endpoint -> Text,
        stamp -> Text,
        engine -> Text,
        learned_at -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(operations, owners);
