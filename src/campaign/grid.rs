//! From the axes of a grid to the configurations of its experiments. Pure.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::file::{Grid, OneOrMany};

/// What is wrong with a grid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum GridError {
    /// An axis without values has no combination.
    #[error("axis `{axis}` has no values, so the grid has no experiments")]
    Empty { axis: String },
    /// Overrides for a backend that the grid does not use.
    #[error("`grid.backend_overrides.{backend}` is not one of `grid.backends`")]
    UnknownBackend { backend: String },
    /// More combinations than fit anywhere.
    #[error("the grid has {count} combinations; at most {MOST_RUNS} make sense")]
    TooMany { count: usize },
    /// More than a campaign may hold in memory.
    #[error("the {count} experiments need more than {} MiB of memory", LARGEST_WEIGHT >> 20)]
    TooLarge { count: usize },
    /// A key that leads deeper than any configuration goes.
    #[error("`{}…` leads deeper than {DEEPEST} levels", key.chars().take(60).collect::<String>())]
    TooDeep { key: String },
    /// Two axes write to places that exclude each other.
    #[error("`{key}` is set inside a value that is no mapping")]
    Clash { key: String },
}

/// One combination.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The experiment's configuration.
    pub config: Map<String, Value>,
    /// The value of every axis, for a name.
    pub axes: Vec<(String, Value)>,
}

/// More runs than anybody waits for: a day has fewer seconds.
pub(crate) const MOST_RUNS: usize = 1_000_000;

/// What the configurations of all experiments may weigh together.
const LARGEST_WEIGHT: usize = 128 << 20;

/// As deep as a dotted key may lead; a YAML file may be nested as deeply.
const DEEPEST: usize = 64;

/// About how much memory a configuration takes.
pub(crate) fn weight(config: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        let inner = match value {
            Value::Object(map) => map.iter().map(|(key, value)| 64 + key.len() + of(value)).sum(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::String(text) => text.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        64_usize.saturating_add(inner)
    }
    config.iter().map(|(key, value)| 64 + key.len() + of(value)).fold(512, usize::saturating_add)
}

/// Refuses experiments that together weigh too much.
pub(crate) fn bearable(count: usize, weight: usize) -> Result<(), GridError> {
    if weight > LARGEST_WEIGHT { Err(GridError::TooLarge { count }) } else { Ok(()) }
}

/// How many combinations there are, without making them.
fn combinations(grid: &Grid, models: usize) -> usize {
    let product = |axes: &BTreeMap<String, OneOrMany>| {
        axes.values().map(|axis| axis.values().len()).fold(1, usize::saturating_mul)
    };
    let shared = product(&grid.shared).saturating_mul(product(&grid.axes)).saturating_mul(models);
    let of_backend =
        |backend| grid.backend_overrides.get(backend).map_or(1, product).saturating_mul(shared);
    grid.backends.iter().map(of_backend).fold(0, usize::saturating_add)
}

/// Every combination of the axes; backends outermost, then models, then the other axes by name.
pub(crate) fn expand(grid: &Grid, model: Option<&str>) -> Result<Vec<Point>, GridError> {
    let empty = |axis: &str| Err(GridError::Empty { axis: axis.to_owned() });
    if grid.backends.is_empty() {
        return empty("grid.backends");
    }
    let backends: HashSet<&String> = grid.backends.iter().collect();
    if let Some(unknown) = grid.backend_overrides.keys().find(|b| !backends.contains(b)) {
        return Err(GridError::UnknownBackend { backend: unknown.clone() });
    }
    let models: Vec<Option<&str>> = match &grid.models {
        Some(models) if models.is_empty() => return empty("grid.models"),
        Some(models) => models.iter().map(|m| Some(m.as_str())).collect(),
        None => vec![model],
    };
    let count = combinations(grid, models.len());
    if count > MOST_RUNS {
        return Err(GridError::TooMany { count });
    }
    let none = BTreeMap::new();
    let (mut points, mut weight) = (Vec::new(), 0_usize);
    for backend in &grid.backends {
        let own = grid.backend_overrides.get(backend).unwrap_or(&none);
        let prefixed = own.iter().map(|(k, v)| (format!("{backend}.{k}"), v));
        let mut axes: Vec<(String, &OneOrMany)> = grid
            .shared
            .iter()
            .chain(&grid.axes)
            .map(|(k, v)| (k.clone(), v))
            .chain(prefixed)
            .collect();
        axes.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some((name, _)) = axes.iter().find(|(_, values)| values.values().is_empty()) {
            return empty(name);
        }
        for model in &models {
            let mut start = vec![("backend".to_owned(), Value::from(backend.as_str()))];
            start.extend(model.map(|m| ("model_name".to_owned(), Value::from(m))));
            let mut turns = Some(vec![0; axes.len()]);
            while let Some(turn) = turns {
                let point = combine(&axes, &start, &turn)?;
                // Twice: the values stand in the axes too, until the experiment has its name.
                weight = weight.saturating_add(self::weight(&point.config).saturating_mul(2));
                bearable(count, weight)?;
                points.push(point);
                turns = after(turn, &axes);
            }
        }
    }
    Ok(points)
}

/// The combination in which each axis has the value of its turn.
fn combine(
    axes: &[(String, &OneOrMany)],
    start: &[(String, Value)],
    turns: &[usize],
) -> Result<Point, GridError> {
    let values = axes.iter().zip(turns);
    let chosen = values.map(|((name, axis), turn)| (name.clone(), axis.values()[*turn].clone()));
    let axes: Vec<(String, Value)> = start.iter().cloned().chain(chosen).collect();
    let mut config = Map::new();
    for (key, value) in &axes {
        set(&mut config, key, value.clone())?;
    }
    Ok(Point { config, axes })
}

/// The next turns, the last axis fastest; none after the last combination.
fn after(mut turns: Vec<usize>, axes: &[(String, &OneOrMany)]) -> Option<Vec<usize>> {
    for (turn, (_, axis)) in turns.iter_mut().zip(axes).rev() {
        *turn += 1;
        if *turn < axis.values().len() {
            return Some(turns);
        }
        *turn = 0;
    }
    None
}

/// Sets a dotted key, making the mappings on the way.
pub(crate) fn set(
    config: &mut Map<String, Value>,
    key: &str,
    value: Value,
) -> Result<(), GridError> {
    if key.matches('.').count() >= DEEPEST {
        return Err(GridError::TooDeep { key: key.to_owned() });
    }
    let Some((first, rest)) = key.split_once('.') else {
        config.insert(key.to_owned(), value);
        return Ok(());
    };
    match config.entry(first).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => set(inner, rest, value),
        _ => Err(GridError::Clash { key: key.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grid(value: Value) -> Grid {
        serde_json::from_value(value).unwrap()
    }

    fn configs(value: Value) -> Vec<Value> {
        expand(&grid(value), Some("gpt2"))
            .unwrap()
            .into_iter()
            .map(|p| Value::Object(p.config))
            .collect()
    }

    #[test]
    fn every_combination_is_an_experiment() {
        let points = configs(json!({
            "backends": ["pytorch", "vllm"], "models": ["a", "b", "c"],
            "shared": {"batch_size": [1, 8]},
            "backend_overrides": {"vllm": {"max_num_seqs": [64, 256]}},
        }));
        assert_eq!(points.len(), 3 * 2 + 3 * 2 * 2);
        assert_eq!(points[0], json!({"backend": "pytorch", "model_name": "a", "batch_size": 1}));
        assert_eq!(
            points[17],
            json!({"backend": "vllm", "model_name": "c", "batch_size": 8,
                   "vllm": {"max_num_seqs": 256}})
        );
    }

    #[test]
    fn dots_descend_and_a_single_value_is_an_axis_of_one() {
        let points = configs(json!({
            "backends": ["x"], "axes": {"decoding.temperature": 0.0, "decoding.top_p": [0.9]},
        }));
        assert_eq!(
            points,
            [json!({"backend": "x", "model_name": "gpt2",
                    "decoding": {"temperature": 0.0, "top_p": 0.9}})]
        );
    }

    #[test]
    fn a_grid_without_combinations_is_an_error_naming_the_axis() {
        let error = |value| expand(&grid(value), None).unwrap_err().to_string();
        assert!(error(json!({"backends": []})).starts_with("axis `grid.backends` has no values"));
        assert!(error(json!({"backends": ["a"], "shared": {"b": []}})).starts_with("axis `b`"));
        assert_eq!(
            error(json!({"backends": ["a"], "backend_overrides": {"b": {}}})),
            "`grid.backend_overrides.b` is not one of `grid.backends`"
        );
    }

    #[test]
    fn a_grid_that_does_not_fit_into_memory_is_refused_before_it_is_made() {
        let text = "x".repeat(1 << 20);
        let values: Vec<u32> = (0..1000).collect();
        let large = json!({"backends": ["a"], "shared": {"text": text, "n": values}});
        assert_eq!(expand(&grid(large), None), Err(GridError::TooLarge { count: 1000 }));
    }

    #[test]
    fn a_key_that_leads_deeper_than_any_file_is_refused() {
        let deep = json!({"backends": ["a"], "shared": {"a.".repeat(100_000): 1}});
        let error = expand(&grid(deep), None).unwrap_err();
        assert!(error.to_string().starts_with("`a.a.a."), "{error}");
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn an_axis_more_costs_no_depth() {
        let axes: BTreeMap<String, u32> = (0..20_000).map(|n| (format!("a{n}"), n)).collect();
        let many = json!({"backends": ["a"], "shared": axes});
        assert_eq!(configs(many)[0].as_object().unwrap().len(), 20_002);
    }

    #[test]
    fn axes_that_exclude_each_other_are_an_error() {
        let both = json!({"backends": ["a"], "shared": {"d": [1], "d.e": [2]}});
        assert!(matches!(expand(&grid(both), None), Err(GridError::Clash { .. })));
    }
}
