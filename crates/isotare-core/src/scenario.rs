//! The interface to a trial: which instances it has, and what happens between their start and their end.
//!
//! The runner owns phases, deadlines, observation and deletion. A scenario says what happens, in terms of its
//! parts. It never touches a clock, a process or a file.

use crate::{EnvironmentSpec, Invalid, JobOutput, Sample, Settings, Workload};
use isotare_protocol::{Job, Service};
use std::fmt;
use std::net::Ipv4Addr;

/// A role in a trial, such as `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, unique in the scenario.
    pub name: &'static str,
    /// Where its instance runs.
    pub place: Place,
    /// Whether it is attached to the trial's segment.
    pub is_attached: bool,
}

/// Where a part runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the environment of the condition.
    UnderTest,
    /// In this environment, in every condition alike.
    Fixed(EnvironmentSpec),
}

/// What a workload of several instances does in a trial.
pub trait Scenario: Send + Sync {
    /// Its parts. The first one is the part under test that phases and first figures are about.
    fn parts(&self, settings: &Settings) -> Result<Vec<Part>, String>;
    /// Plays one trial. Returns the workload's samples, when its work has been verified.
    fn play(&self, stage: &mut dyn Stage, settings: &Settings) -> Result<Vec<Sample>, PlayError>;
}

/// What a scenario can do. After an error, the trial is over.
pub trait Stage {
    /// Creates and starts the instance of a part and waits for its agent.
    fn raise(&mut self, part: &str) -> Result<(), PlayError>;
    /// Its address on the segment.
    fn address(&self, part: &str) -> Result<Ipv4Addr, PlayError>;
    /// Starts a service in it and waits until it is ready. If it ends before the trial, the trial fails with
    /// the end of its log.
    fn serve(&mut self, part: &str, service: &Service) -> Result<(), PlayError>;
    /// Runs a job in it to its end. What the job measures is the trial's measured window.
    fn run(&mut self, part: &str, job: &Job) -> Result<JobOutput, PlayError>;
}

/// Why a play ended early.
#[derive(Debug)]
pub enum PlayError {
    /// The stage stopped it, and knows why.
    Stopped,
    /// The work was not done, or cannot be shown to have been done.
    Invalid(Invalid),
}

impl From<Invalid> for PlayError {
    fn from(invalid: Invalid) -> Self {
        PlayError::Invalid(invalid)
    }
}

/// The trial of most workloads: one instance that runs one job.
pub struct Solo<'w>(pub &'w dyn Workload);

impl Solo<'_> {
    /// The name of its part. Nothing shows it, because there is only one.
    pub const PART: &'static str = "solo";
}

impl fmt::Debug for Solo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Solo").field(&self.0.name()).finish()
    }
}

impl Scenario for Solo<'_> {
    fn parts(&self, _: &Settings) -> Result<Vec<Part>, String> {
        Ok(vec![Part { name: Self::PART, place: Place::UnderTest, is_attached: false }])
    }

    fn play(&self, stage: &mut dyn Stage, settings: &Settings) -> Result<Vec<Sample>, PlayError> {
        let job = self.0.job(settings).map_err(Invalid)?;
        stage.raise(Self::PART)?;
        let output = stage.run(Self::PART, &job)?;
        self.0.verified(&output, settings).map_err(PlayError::Invalid)
    }
}
