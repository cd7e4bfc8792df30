//! GPUs as tables for people and as JSON for programs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use crate::gpu::memory;
use crate::gpu::processes::Identity;
use crate::gpu::reading::{self, Mig, Reading};

/// Longer names are cut in tables.
const WIDEST: usize = 40;

/// All GPUs at one moment, as they are shown.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Machine {
    at: Timestamp,
    driver: Option<String>,
    gpus: Vec<Gpu>,
}

#[derive(Debug, Serialize)]
struct Gpu {
    index: u32,
    uuid: Option<String>,
    name: Option<String>,
    /// Divided into instances; figures are of the whole.
    mig: Option<bool>,
    memory: Option<Memory>,
    temperature_celsius: Option<u32>,
    power_watts: Option<f64>,
    power_limit_watts: Option<f64>,
    utilization_percent: Option<u32>,
    processes: Option<Vec<Process>>,
    /// Why there are no figures.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Memory {
    used_mib: u64,
    free_mib: u64,
    total_mib: u64,
    #[serde(skip)]
    percent: Option<u64>,
}

impl Memory {
    fn of(memory: memory::Memory) -> Self {
        Self {
            used_mib: memory.used.0,
            free_mib: memory.free.0,
            total_mib: memory.total.0,
            percent: memory.percent(),
        }
    }

    fn text(&self) -> String {
        format!("{} / {} MiB", self.used_mib, self.total_mib)
    }
}

#[derive(Debug, Serialize)]
struct Process {
    pid: u32,
    name: Option<String>,
    memory_mib: Option<u64>,
    utilization_percent: Option<u32>,
    container: Option<String>,
    container_id: Option<String>,
}

impl Machine {
    /// A reading with the names of processes, and of containers by id.
    pub(in crate::cli) fn of(
        reading: &Reading,
        identities: &BTreeMap<u32, Identity>,
        names: &BTreeMap<String, String>,
    ) -> Self {
        let process = |process: &reading::Process| {
            let identity = identities.get(&process.pid).cloned().unwrap_or_default();
            Process {
                pid: process.pid,
                name: identity.name,
                memory_mib: process.memory.map(|memory| memory.0),
                utilization_percent: process.utilization,
                container: identity.container.as_ref().and_then(|id| names.get(id)).cloned(),
                container_id: identity.container,
            }
        };
        let seen = reading.gpus.iter().map(|gpu| Gpu {
            index: gpu.index,
            uuid: gpu.uuid.clone(),
            name: gpu.name.clone(),
            mig: Some(gpu.mig == Mig::On),
            memory: gpu.memory.map(Memory::of),
            temperature_celsius: gpu.temperature,
            power_watts: gpu.power,
            power_limit_watts: gpu.power_limit,
            utilization_percent: gpu.utilization,
            processes: gpu.processes.as_ref().map(|list| list.iter().map(process).collect()),
            error: None,
        });
        let silent = reading.silent.iter().map(|(index, error)| Gpu {
            index: *index,
            uuid: None,
            name: None,
            mig: None,
            memory: None,
            temperature_celsius: None,
            power_watts: None,
            power_limit_watts: None,
            utilization_percent: None,
            processes: None,
            error: Some(error.to_string()),
        });
        let mut gpus: Vec<Gpu> = seen.chain(silent).collect();
        gpus.sort_by_key(|gpu| gpu.index);
        Self { at: Timestamp::now(), driver: reading.driver.clone(), gpus }
    }
}

/// One JSON document on standard output.
pub(in crate::cli) fn document(machine: &Machine) -> io::Result<()> {
    write(&format!("{}\n", serde_json::to_string_pretty(machine)?))
}

/// One line of JSON on standard output.
pub(in crate::cli) fn line(machine: &Machine) -> io::Result<()> {
    write(&format!("{}\n", serde_json::to_string(machine)?))
}

/// Tables on standard output.
pub(in crate::cli) fn table(machine: &Machine) -> io::Result<()> {
    write(&text(machine))
}

/// Tables in place of the ones before, on a terminal; below them elsewhere.
pub(in crate::cli) fn redraw(machine: &Machine) -> io::Result<()> {
    let text = format!("{:.0}\n\n{}", machine.at, text(machine));
    if !io::stdout().is_terminal() {
        return write(&format!("{text}\n"));
    }
    // To the top, each line over the old one, and whatever is left below away: no flicker.
    write(&format!("\u{1b}[H{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n")))
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn text(machine: &Machine) -> String {
    let mut gpus = new(["GPU", "NAME", "MEMORY", "USED", "TEMP", "POWER", "BUSY"]);
    let mut processes = new(["GPU", "PID", "PROCESS", "MEMORY", "CONTAINER"]);
    let mut notes = Vec::new();
    for gpu in &machine.gpus {
        if let Some(error) = &gpu.error {
            notes.push(error.clone());
        }
        if gpu.mig == Some(true) {
            notes.push(format!(
                "GPU {} is divided (MIG): figures are of the whole GPU, and processes on its \
                 instances may be missing",
                gpu.index
            ));
        }
        gpus.add_row([
            gpu.index.to_string(),
            short(gpu.name.as_deref()),
            gpu.memory.as_ref().map_or_else(unknown, Memory::text),
            gpu.memory
                .as_ref()
                .and_then(|memory| memory.percent)
                .map_or_else(unknown, |percent| format!("{percent} %")),
            gpu.temperature_celsius.map_or_else(unknown, |celsius| format!("{celsius} °C")),
            power(gpu),
            gpu.utilization_percent.map_or_else(unknown, |percent| format!("{percent} %")),
        ]);
        for process in gpu.processes.iter().flatten() {
            let container = process.container.as_deref().or(process.container_id.as_deref());
            processes.add_row([
                gpu.index.to_string(),
                process.pid.to_string(),
                short(process.name.as_deref()),
                process.memory_mib.map_or_else(unknown, |mib| format!("{mib} MiB")),
                short(container),
            ]);
        }
    }
    right(&mut gpus, &[2, 3, 4, 5, 6]);
    right(&mut processes, &[1, 3]);
    let mut text = trimmed(&gpus);
    if processes.row_count() > 0 {
        text.push_str(&format!("\n{}", trimmed(&processes)));
    }
    if !notes.is_empty() {
        text.push_str(&format!("\n{}\n", notes.join("\n")));
    }
    text
}

fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn power(gpu: &Gpu) -> String {
    match (gpu.power_watts, gpu.power_limit_watts) {
        (Some(power), Some(limit)) => format!("{power:.0} / {limit:.0} W"),
        (Some(power), None) => format!("{power:.0} W"),
        (None, _) => unknown(),
    }
}

fn unknown() -> String {
    "-".to_owned()
}

/// A name that fits a table, without what would move the cursor.
fn short(name: Option<&str>) -> String {
    let Some(name) = name else { return unknown() };
    let printable: Vec<char> = name.chars().filter(|c| !c.is_control()).collect();
    match printable.len() {
        0..=WIDEST => printable.iter().collect(),
        _ => printable[..WIDEST - 1].iter().chain(['…'].iter()).collect(),
    }
}
