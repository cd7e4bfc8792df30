//! From choices to the files of a starter project. Pure.
//!
//! The templates under `compose/` are projects that run as they stand; what a choice changes is a
//! line of theirs replaced.

use super::choices::{Choices, Load};
use crate::campaign::file::ContainerStrategy;

/// A file of the project, by its path in the project's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectFile {
    pub path: &'static str,
    pub text: String,
}

/// A project may have one of its own already: it is left as it is.
pub(super) const IGNORED: &str = ".gitignore";

/// The registry of GPU services.
pub(super) const REGISTRY: &str = "services.yaml";

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../compose/", $path))
    };
}

/// The files of a project, in the order in which a reader wants them.
pub(super) fn of(choices: &Choices) -> Vec<ProjectFile> {
    let (own_image, own_command) = match &choices.load {
        Load::BuiltIn => (None, None),
        Load::Image(image) => (Some(image), None),
        Load::Command { image, words } => (Some(image), Some(words)),
    };
    let compose = match own_image {
        None => template!("starter/compose.yaml").to_owned(),
        Some(image) => replaced(
            template!("starter-own/compose.yaml"),
            "image: busybox:1.37",
            &format!("image: {}", scalar(image)),
        ),
    };
    let (small, large) = match own_command {
        None => (template!("starter/configs/small.yaml"), template!("starter/configs/large.yaml")),
        Some(_) => (
            template!("starter-own/configs/small.yaml"),
            template!("starter-own/configs/large.yaml"),
        ),
    };
    let mut files = vec![
        file("campaign.yaml", campaign(choices, own_command.map(Vec::as_slice))),
        file("configs/small.yaml", small.to_owned()),
        file("configs/large.yaml", large.to_owned()),
        file(
            "compose.yaml",
            replaced(&compose, "name: starter #", &format!("name: {} #", project(&choices.name))),
        ),
        file(".lem-config.yaml", config(choices)),
        file(IGNORED, ignored(choices)),
    ];
    if own_image.is_none() {
        files.insert(4, file("image/Dockerfile", template!("starter/image/Dockerfile").to_owned()));
    }
    files
}

/// A registry with an example of each kind of service.
pub(super) fn registry() -> Vec<ProjectFile> {
    vec![file(REGISTRY, template!("services/services.yaml").to_owned())]
}

fn file(path: &'static str, text: String) -> ProjectFile {
    ProjectFile { path, text }
}

/// `text` with its one `from` replaced.
fn replaced(text: &str, from: &str, to: &str) -> String {
    debug_assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replacen(from, to, 1)
}

fn campaign(choices: &Choices, command: Option<&[String]>) -> String {
    let text = template!("starter/campaign.yaml");
    let text = replaced(text, "name: starter", &format!("name: {}", scalar(&choices.name)));
    let gap = |key: &str, time: &str| format!("{key}: {}", time.trim());
    let text =
        replaced(&text, "config_gap_seconds: 1", &gap("config_gap_seconds", &choices.config_gap));
    let text =
        replaced(&text, "cycle_gap_seconds: 2", &gap("cycle_gap_seconds", &choices.cycle_gap));
    let Some(words) = command else { return text };
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let command = format!("command: [{}]\n", words.join(", "));
    let text = replaced(&text, COMMAND_COMMENT, &(COMMAND_MEANING.to_owned() + &command));
    replaced(
        &text,
        "  # timeout:",
        "  # require_result: true # a run that leaves none has failed\n  # timeout:",
    )
}

/// What the template says where it has no command.
const COMMAND_COMMENT: &str = concat!(
    "# What runs in the container. Without this it is lem's built-in load, the `workload` of the ",
    "experiment.\n# command: [python3, bench.py, --batch-size, \"{batch_size}\", --output, ",
    "\"{result}\"]\n"
);
const COMMAND_MEANING: &str = concat!(
    "# What runs in the container. lem fills in {config}, the experiment's file there, {result}, where a\n",
    "# result belongs, and keys of the experiment such as {batch_size}.\n"
);

fn config(choices: &Choices) -> String {
    let strategy = match choices.strategy {
        ContainerStrategy::Ephemeral => "strategy: ephemeral",
        ContainerStrategy::Persistent => "strategy: persistent",
    };
    let text = replaced(template!("starter/.lem-config.yaml"), "strategy: ephemeral", strategy);
    let results = format!("results_dir: {}", scalar(&choices.results_dir));
    let text = replaced(&text, "results_dir: results", &results);
    match &choices.webhook_url {
        None => text,
        Some(url) => format!("{text}\nnotifications:\n  webhook_url: {}\n", quoted(url)),
    }
}

fn ignored(choices: &Choices) -> String {
    let text = template!("starter/.gitignore");
    let inside = ignored_results(&choices.results_dir).map_or(String::new(), |line| line + "\n");
    let text = replaced(text, "/results/\n", &inside);
    match choices.webhook_url {
        None => text,
        Some(_) => format!("{text}# Its webhook is a secret.\n/.lem-config.yaml\n"),
    }
}

/// The line of a `.gitignore` for the results, where they are in the project's folder.
fn ignored_results(results: &str) -> Option<String> {
    let plain = results.trim_start_matches("./").trim_end_matches('/');
    let outside = plain.is_empty() || plain.starts_with('/');
    let steps_back = plain.split('/').any(|part| part == "." || part == "..");
    // A pattern's own letters would mean something else.
    let special = plain.contains(['*', '?', '[', '\\', '!', '#']);
    (!outside && !steps_back && !special).then(|| format!("/{plain}/"))
}

/// A name that Compose accepts for a project: lower case, digits, `-` and `_`.
fn project(name: &str) -> String {
    let plain = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '-',
    };
    let name: String = name.chars().map(plain).collect();
    let name = name.trim_matches(['-', '_']);
    // A bare number, or `1_000`, would be no text in YAML.
    match name.chars().next() {
        None => "starter".to_owned(),
        Some('0'..='9') => format!("lem-{name}"),
        Some(_) if is_word_of_yaml(name) => format!("lem-{name}"),
        Some(_) => name.to_owned(),
    }
}

/// A text as YAML, without quotes where it is text without them.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let starts_as_text = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts_as_text && text.chars().all(plain) && !is_word_of_yaml(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// What YAML 1.1 takes for something else than text.
fn is_word_of_yaml(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&word.as_str())
}

/// A JSON text is a YAML text too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(choices: &Choices, path: &str) -> String {
        of(choices).into_iter().find(|file| file.path == path).unwrap().text
    }

    fn choices() -> Choices {
        Choices::default_for("starter")
    }

    #[test]
    fn the_defaults_are_the_templates() {
        let files = of(&choices());
        let templates = [
            template!("starter/campaign.yaml"),
            template!("starter/configs/small.yaml"),
            template!("starter/configs/large.yaml"),
            template!("starter/compose.yaml"),
            template!("starter/image/Dockerfile"),
            template!("starter/.lem-config.yaml"),
            template!("starter/.gitignore"),
        ];
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, templates);
    }

    #[test]
    fn any_name_is_text_in_yaml_and_a_project_in_compose() {
        for (name, in_yaml, in_compose) in [
            ("nightly", "nightly", "nightly"),
            ("Batch sizes: 1", "\"Batch sizes: 1\"", "batch-sizes--1"),
            ("no", "\"no\"", "lem-no"),
            ("2026", "\"2026\"", "lem-2026"),
            ("日本", "\"日本\"", "starter"),
            ("a \"b\" # c", "\"a \\\"b\\\" # c\"", "a--b----c"),
        ] {
            assert_eq!((scalar(name), project(name)), (in_yaml.into(), in_compose.into()));
        }
    }

    #[test]
    fn a_command_takes_the_place_of_the_built_in_load() {
        let words = ["bench", "--size={batch_size}", "it's"].map(str::to_owned).to_vec();
        let load = Load::Command { image: "me/bench:1".into(), words };
        let choices = Choices { load, ..choices() };
        let campaign = text(&choices, "campaign.yaml");
        assert!(
            campaign.contains("command: [\"bench\", \"--size={batch_size}\", \"it's\"]\n\nexec")
        );
        assert!(text(&choices, "compose.yaml").contains("image: \"me/bench:1\"\n"));
        assert!(!text(&choices, "configs/small.yaml").contains("workload"));
        assert!(of(&choices).iter().all(|file| file.path != "image/Dockerfile"));
    }

    #[test]
    fn only_results_in_the_project_are_left_to_git_to_ignore() {
        for (results, line) in [
            ("results", Some("/results/")),
            ("./out/lem/", Some("/out/lem/")),
            ("/srv/results", None),
            ("../results", None),
            (".", None),
        ] {
            assert_eq!(ignored_results(results).as_deref(), line, "{results}");
        }
    }

    #[test]
    fn a_webhook_is_kept_out_of_version_control() {
        let choices = Choices { webhook_url: Some("https://h/s#1".into()), ..choices() };
        let config = text(&choices, ".lem-config.yaml");
        assert!(config.ends_with("notifications:\n  webhook_url: \"https://h/s#1\"\n"));
        assert!(text(&choices, IGNORED).contains("\n/.lem-config.yaml\n"));
    }
}
