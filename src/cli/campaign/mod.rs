//! `lem campaign`: from the file to the summary.

mod before;
mod check;
mod course;
mod decide;
mod named;
mod perform;
mod stage;
mod start;
mod turn;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::before::before;
use self::check::check;
pub(super) use self::course::Scope;
use self::course::course;
use self::decide::locate;
pub(super) use self::decide::{Decided, decide};
pub(super) use self::named::Named;
use self::start::start;
#[cfg(any(test, fuzzing))]
pub(super) use self::{check::places, decide::decide_with};
use super::detach::Shown;
use super::flags::Flags;
use super::render::{self, Talk};
use super::runtime::block_on_with;
use super::settings::{Manners, Verbosity, source_of};
use super::signals::Hangup;
use super::{detach, exit, locks};
use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::plan::Run;
use crate::campaign::resume::drift::CyclesSaid;
use crate::campaign::script;
use crate::campaign::settings::Foreign;
use crate::cancel::Cancel;
use crate::coordination::permit::Patience;
use crate::duration::Time;

/// Run a campaign: many experiments, each in a container, in a chosen order.
///
/// Exit codes: 0 done; 1 at least one experiment failed; 2 the file or the usage is wrong; 3 the
/// machine can't; 4 no run could start, because a GPU was not free; 75 somebody else is using the project; 130, 143 or 129 after SIGINT, SIGTERM or
/// SIGHUP.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign file [default: campaign.yaml or campaign.yml], or experiment files
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub flags: Flags,
    /// Go on with the campaign that was interrupted: exactly the runs that are missing
    #[arg(long, conflicts_with = "fresh")]
    pub resume: bool,
    /// Take back a `--resume` that was said before
    #[arg(long, overrides_with = "resume")]
    pub no_resume: bool,
    /// Start anew, whatever an earlier execution left undone
    #[arg(long, conflicts_with_all = ["retry_failed", "accept_changes"])]
    pub fresh: bool,
    #[command(flatten)]
    pub scope: Scope,
    /// Read and check the files, and do nothing else; no engine is asked
    #[arg(long)]
    pub validate_only: bool,
    #[command(flatten)]
    pub manner: Manner,
}

/// How a campaign is gone about, whether it starts or goes on.
#[derive(Debug, Args)]
pub(super) struct Manner {
    /// Let Compose recreate a needed container that lem did not start
    #[arg(long)]
    pub replace_running: bool,
    /// Print what would be done as a shell script, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer the question with yes
    #[arg(short, long)]
    pub yes: bool,
    /// One event per line on standard output, as JSON
    #[arg(long)]
    pub json: bool,
    /// Show what the runs say while they run
    #[arg(short, long, overrides_with = "quiet")]
    pub verbose: bool,
    /// Say nothing but failures and the summary
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,
    /// Wait so long at most for others who have what the campaign needs [default: as long as it takes]
    #[arg(long, value_name = "TIME", conflicts_with = "no_wait")]
    pub wait: Option<Time>,
    /// Don't wait for them
    #[arg(long)]
    pub no_wait: bool,
    /// Go on in a session of its own, also when this terminal closes
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// What `--detach` gives to the lem that goes on
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub detached: bool,
}

impl Manner {
    /// How a detached campaign is shown.
    fn shown(&self) -> Shown {
        if self.json { Shown::Json } else { Shown::Text }
    }

    /// Leaves the session of the terminal, if this is the lem that goes on without one.
    pub(super) fn session(&self) -> Hangup {
        if self.detached {
            detach::leave_session();
            return Hangup::Ignored;
        }
        Hangup::Inherited
    }

    /// How long it waits for its turn.
    fn patience(&self) -> Patience {
        match (self.no_wait, self.wait) {
            (true, _) => Patience::None,
            (false, Some(limit)) => Patience::For(limit.0),
            (false, None) => Patience::Endless,
        }
    }

    /// Whether everything was asked and answered.
    pub(super) fn is_answered(&self) -> bool {
        self.yes || self.detached
    }

    fn manners(&self) -> Manners {
        Manners {
            foreign: if self.replace_running { Foreign::Replace } else { Foreign::Refuse },
            verbosity: match (self.quiet, self.verbose) {
                (true, _) => Some(Verbosity::Quiet),
                (false, true) => Some(Verbosity::Verbose),
                (false, false) => None,
            },
        }
    }

    fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Little,
            (false, false) => Talk::Progress,
            (false, true) => Talk::Everything,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let hangup = arguments.manner.session();
    block_on_with(hangup, async |cancel| Box::pin(drive(arguments, cancel)).await)
}

/// From the arguments to the exit code.
pub(super) async fn drive(arguments: Arguments, cancel: &Cancel) -> Result<u8, CampaignError> {
    let mut flags = arguments.flags.clone();
    let named = Named::find(&arguments.files, &mut flags)?;
    if arguments.validate_only {
        return validate(&arguments, flags, &named);
    }
    let state_dir = named.state_dir();
    let campaign_lock = (!arguments.manner.dry_run)
        .then(|| locks::campaign(&state_dir, &named.file.campaign_name))
        .transpose()?;
    let before = before(&arguments, &flags, &named)?;
    let mut decided = decide(arguments.manner.manners(), flags, &named, before.instance())?;
    let cycles = match arguments.flags.cycles {
        Some(_) => CyclesSaid::Now,
        None => CyclesSaid::Elsewhere,
    };
    let name = &named.file.campaign_name;
    let (past, runs) = course(&arguments.scope, cycles, name, &mut decided, before)?;
    let audience = decided.audience.clone();
    let doubt = check::doubt(&named.file, &decided.plan).filter(|_| !arguments.manner.detached);
    // Without a run to do, what an earlier lem held for the others is looked for.
    let sought = if runs.is_empty() { decided.plan.runs.clone() } else { runs.clone() };
    let (campaign, rows) = locate(decided, named, past, &sought, cancel).await?;
    check(&campaign)?;
    if arguments.manner.dry_run {
        return dry_run(&campaign, &runs);
    }
    if !arguments.manner.detached {
        for line in check::scarce(&campaign) {
            render::say(&line);
        }
    }
    if let Some(doubt) = doubt {
        render::say(&doubt);
    }
    let source = source_of(&rows, "docker.strategy");
    let manner = &arguments.manner;
    start(campaign, &runs, source, audience, manner, campaign_lock, cancel).await
}

/// Makes every choice, and fills in every command once.
pub(super) fn checked(
    manners: Manners,
    flags: Flags,
    named: &Named,
) -> Result<Decided, CampaignError> {
    let decided = decide(manners, flags, named, None)?;
    check::places(&decided.plan, &decided.chosen.settings)?;
    Ok(decided)
}

/// Reads and checks the files.
fn validate(arguments: &Arguments, flags: Flags, named: &Named) -> Result<u8, CampaignError> {
    let decided = checked(arguments.manner.manners(), flags, named)?;
    let plan = &decided.plan;
    if let Some(doubt) = check::doubt(&named.file, plan) {
        render::say(&doubt);
    }
    if arguments.manner.json {
        render::json(&serde_json::json!({
            "campaign": named.file.campaign_name,
            "file": named.path,
            "experiments": plan.experiments.len(),
            "cycles": plan.cycles,
            "runs": plan.runs.len(),
        }));
        return Ok(exit::DONE);
    }
    render::out(&format!(
        "{} is valid: {} × {} = {}",
        named.path.display(),
        render::counted(plan.experiments.len(), "experiment"),
        render::counted(plan.cycles as usize, "cycle"),
        render::counted(plan.runs.len(), "run"),
    ));
    Ok(exit::DONE)
}

fn dry_run(campaign: &Campaign, runs: &[Run]) -> Result<u8, CampaignError> {
    let mut stdout = std::io::stdout().lock();
    let mut broken = false;
    script::write(campaign, runs, &mut |text| {
        // The reader may have seen enough; then there is nobody to write for.
        broken = broken || stdout.write_all(text.as_bytes()).is_err();
    })?;
    Ok(exit::DONE)
}

/// Whether standard error is a terminal.
pub(super) fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}
