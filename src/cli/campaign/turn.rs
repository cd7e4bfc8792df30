//! The turn of a campaign: it waits until it may have what it needs.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use crate::campaign::decided::Campaign;
use crate::campaign::error::CampaignError;
use crate::campaign::event::Event;
use crate::campaign::execute::Leave;
use crate::campaign::tenure::{Asking, Tenure, search};
use crate::cancel::{Cancel, Signal};
use crate::cli::ledger;
use crate::coordination::error::CoordinationError;
use crate::coordination::permit::{Disturbance, Patience};
use crate::engine::process;

/// Waits for it. What is handed down keeps what the campaign has for as long as a docker client
/// of it lives.
pub(super) async fn wait(
    campaign: &Campaign,
    patience: Patience,
    says: &UnboundedSender<Event>,
    cancel: &Cancel,
) -> Result<Leave, CampaignError> {
    let claims = search(campaign, says, cancel).await?;
    if claims.is_empty() {
        return Ok(Leave { tenure: Arc::default(), waited: 0.0 });
    }
    let agent = ledger::agent(None).await?;
    let file = agent.own().shared();
    file.and_then(process::hand_down).map_err(|source| CampaignError::Unwritable {
        path: agent.own().owner.file.clone(),
        source,
    })?;
    let began = Instant::now();
    let asking = Asking {
        command: format!("lem campaign {}", campaign.file.display()),
        campaign: &campaign.name,
        grace: campaign.settings.stop_grace,
        patience,
    };
    let taken = Tenure::take(&agent, claims, asking, says.clone(), cancel).await;
    let tenure = taken.map_err(|error| match error {
        CampaignError::Coordination(CoordinationError::Cancelled { signal }) => {
            CampaignError::Cancelled { signal }
        }
        other => other,
    })?;
    Ok(Leave { tenure: Arc::new(tenure), waited: began.elapsed().as_secs_f64() })
}

/// Waits until somebody else wants the campaign to end, and says so.
pub(super) async fn disturbed(
    tenure: Arc<Tenure>,
    said: UnboundedSender<Event>,
    taken_away: Arc<std::sync::OnceLock<String>>,
) -> Signal {
    let (signal, disturbance) = tenure.disturbed().await;
    let id = tenure.id().map_or_else(String::new, |id| format!(" {id}"));
    let message = match disturbance {
        Disturbance::Cancelled { why } => format!("operation{id} is cancelled: {why}"),
        Disturbance::TakenAway { why } => {
            let message = format!("operation{id} was taken away: {why}");
            let _ = taken_away.set(why);
            message
        }
        // A campaign goes on then.
        Disturbance::Unheard { .. } => format!("operation{id} may have been taken away"),
    };
    let _ = said.send(Event::Warning { message });
    signal
}
