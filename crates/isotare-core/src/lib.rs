//! The basic types, and the interfaces around the runner. This crate does no input or output.
//!
//! A [`Plan`] lists [`Condition`]s (an [`EnvironmentSpec`] × a [`WorkloadSpec`]) and the random order of
//! their trials. The runner turns each [`Slot`] into a [`Trial`]. It uses three interfaces: [`Driver`] (an
//! adapter to one runtime), [`Workload`] (what runs inside, and how its result is read and verified) and
//! [`Sampler`] (what the host sees meanwhile). GLOSSARY.md explains every term.
//!
//! ```
//! use isotare_core::EnvironmentSpec;
//! let environment: EnvironmentSpec = "qemu:accel=tcg,machine=microvm".parse().unwrap();
//! assert_eq!(environment.driver, "qemu");
//! assert_eq!(environment.to_string(), "qemu:accel=tcg,machine=microvm");
//! ```

mod budget;
mod chain;
mod checksum;
mod clock;
mod csv_table;
mod driver;
mod environment;
mod image;
mod label;
mod markdown;
mod metric;
mod noise;
mod outcome;
mod output;
mod plan;
mod resource;
mod sampler;
mod scenario;
mod session;
mod setting;
mod time;
mod visible;
mod workload;

pub use budget::{Budget, CpuSet, CpuSetError};
pub use chain::{causes, with_sources};
pub use checksum::Sha256;
pub use clock::ClockCheck;
pub use csv_table::{CsvTable, csv_cell, csv_text};
pub use driver::{
    Attaching, Attachment, CONTROL_FOLDER, Capabilities, Cause, Driver, DriverError, Environment, Exclusion,
    Footprint, Instance, InstanceContext, Isolation, Member, PrepareContext, Role, RuntimeInfo, Unavailable,
};
pub use environment::{EnvironmentSpec, SpecError, WorkloadSpec};
pub use image::{
    AGENT_PATH, Base, CONTROL_DIR, DATA_DIR, HOST_FOLDERS, IMAGE_SETTING, Image, ImageFile, ImageReference,
    ReferenceError, Source,
};
pub use label::{shell_line, workload_label};
pub use markdown::markdown;
pub use metric::{Better, MeasuredBy, MetricDef, Sample};
pub use noise::{Canary, Gate, HostNoise, Noise, Repeats, Throttled};
pub use outcome::{Failure, Outcome};
pub use output::{Capture, Captured, KEPT_END, OUTPUT_LIMIT, Streams, shortened};
pub use plan::{Condition, DEFAULT_MARGIN, Plan, Sampling, Slot};
pub use resource::{Ledger, NoLedger, ProcessId, Resource, is_plain_name};
pub use sampler::{Reading, Sampler, SamplerError};
pub use scenario::{Part, Place, PlayError, Scenario, Solo, Stage};
pub use session::{HostFacts, Phase, PhaseTime, Session, SessionEnd, Trial};
pub use setting::{Kind, SettingDef, SettingError, Settings, Value};
pub use time::{Deadline, Interrupt, Timestamp};
pub use visible::{is_hidden, visible, visible_bytes, visible_json, visible_line};
pub use workload::{Dependence, Invalid, JobOutput, Present, Workload, WorkloadInfo};
