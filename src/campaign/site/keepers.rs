//! Who keeps the runs of each service: found out before anything starts, once per image.

use std::path::PathBuf;

use super::Site;
use crate::campaign::error::CampaignError;
use crate::campaign::file::ContainerStrategy;
use crate::campaign::keeper::{self, Keeper, Without, share, tools};
use crate::campaign::settings::Settings;
use crate::campaign::world::World;
use crate::cancel::Cancel;
use crate::engine::about::About;
use crate::engine::place::{Endpoint, Place};

/// The word of the default command; without the inner lem the image must bring one.
const LEM: &str = "lem";

/// The container build, or why it can't be mounted. It need not exist where nobody wants it.
pub(super) fn inner(
    found: Result<PathBuf, CampaignError>,
    wanted: bool,
    about: &About,
    place: Place,
    endpoint: &Endpoint,
) -> Result<Result<PathBuf, Without>, CampaignError> {
    if place.is_elsewhere() {
        return Ok(Err(keeper::elsewhere(about, endpoint)));
    }
    if !wanted {
        return Ok(Err(Without::Asked));
    }
    let build = found?;
    Ok(keeper::obstacle(&build, about).map_or(Ok(build), Err))
}

impl Site {
    /// Finds out what is not known yet: whether the engine sees the container build, and what the
    /// images bring that have to do without it.
    pub(super) async fn look_at_tools(&mut self, cancel: &Cancel) -> Result<(), CampaignError> {
        let docker = self.engine.docker.clone();
        if let (Place::Desktop | Place::Beside, Ok(build), Some(image)) =
            (self.place, &self.host.inner, self.an_image())
            && !share::sees(&docker, &self.owner, &image, build, cancel).await?
        {
            self.host.inner = Err(Without::OutOfReach { build: build.clone() });
        }
        for world in self.worlds()? {
            let image = self.resolved.image_of(&world.service);
            let is_here = self.images.get(&image).is_some_and(Option::is_some);
            if world.without.is_some() && is_here && !self.tools.contains_key(&image) {
                let found = tools::ask(&docker, &self.owner, &image, cancel).await?;
                self.tools.insert(image, found);
            }
        }
        Ok(())
    }

    /// An image of a run's service that is there.
    pub(crate) fn an_image(&self) -> Option<String> {
        let mut images = self.services().into_iter().map(|name| self.resolved.image_of(name));
        images.find(|image| self.images.get(image).is_some_and(Option::is_some))
    }

    /// Refuses what can't work without the inner lem.
    pub(crate) fn check_keepers(&self, settings: &Settings) -> Result<(), CampaignError> {
        let wants_lem = settings.command.first().is_some_and(|word| word == LEM);
        let holds =
            settings.strategy == ContainerStrategy::Persistent && settings.hold_command.is_none();
        for world in self.worlds()? {
            let Some(why) = world.without.clone() else { continue };
            let tools = self.tools.get(&self.resolved.image_of(&world.service));
            let service = world.service.clone();
            if wants_lem && tools.is_some_and(|tools| !tools.lem) {
                return Err(CampaignError::NoLem { service, why });
            }
            if holds && !world.keeps_command && world.keeper == Keeper::Nobody {
                return Err(CampaignError::NothingHolds { service, why });
            }
        }
        Ok(())
    }

    /// The services that do without the inner lem, with the reason and what is lost, for people.
    pub(crate) fn without_inner(&self) -> Vec<String> {
        let line = |world: &World| {
            let why = world.without.as_ref()?;
            let is_known = self.tools.contains_key(&self.resolved.image_of(&world.service));
            let loses =
                if is_known { world.keeper.loses() } else { "its image is still to be made" };
            Some(format!("`{}` runs without the inner lem ({why}): {loses}", world.service))
        };
        self.worlds().iter().flatten().filter_map(line).collect()
    }
}
