//! What other tools of this name call things, and what does them here. Pure.

/// What to type instead of words that are no command of this lem.
pub(super) fn instead(words: &[String]) -> Option<&'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words.as_slice() {
        ["batch", ..] => {
            "experiment files are a campaign: `lem campaign FILE… --campaign-name NAME`"
        }
        ["schedule" | "daemon", ..] => {
            "a systemd timer or cron starts campaigns: `0 22 * * * lem campaign FILE --fresh --yes`"
        }
        ["gpus", ..] => "`lem gpu`",
        ["config", "validate", ..] => "`lem campaign FILE --validate-only`",
        ["config", "list", ..] => "`lem config show`",
        ["config", "new" | "generate-grid", ..] => "`lem init` writes a project, with a `grid`",
        ["resume", .., "--wipe"] | ["resume", "--wipe", ..] => {
            "`lem campaign FILE --fresh` starts anew and keeps the results"
        }
        ["datasets" | "presets" | "aggregate" | "results", ..] => {
            "this belongs to the program in your image: `docker compose run --rm SERVICE lem …`"
        }
        ["ensure" | "start", ..] => {
            "`lem service ensure NAME` starts a service, `lem campaign FILE` a campaign"
        }
        ["stop", ..] => "`lem service stop NAME` stops a service, Ctrl-C a campaign",
        ["service", "start" | "up" | "run", ..] => "`lem service ensure NAME`",
        ["service", "down", ..] => "`lem service stop NAME`",
        ["service", "switch", ..] => "`lem switch NAME`",
        ["service", "phase", ..] => "`lem phase NUMBER`",
        ["service", "lock", ..] => "`lem lock --needs NAME -- COMMAND`",
        ["service", "ps" | "list" | "ls", ..] => "`lem service status`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_another_tool_lead_to_those_of_this_one() {
        let said = |line: &str| {
            instead(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap_or_default()
        };
        assert!(said("batch configs/a.yaml").contains("--campaign-name"));
        assert!(said("config validate x.yaml").contains("--validate-only"));
        assert!(said("resume --wipe").contains("--fresh"));
        assert!(said("ensure chat").contains("lem service ensure"));
        assert!(said("service switch chat").contains("lem switch"));
        assert_eq!(said("service ensure"), "");
        assert_eq!(said("campaign x"), "");
    }
}
