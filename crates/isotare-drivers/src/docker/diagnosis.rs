//! Information about a container that failed.

use super::engine::Engine;
use bollard::models::ContainerState;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::TryStreamExt;
use isotare_core::Deadline;

/// Its state and what it wrote.
pub(super) fn diagnose(engine: &Engine, id: &str, deadline: &Deadline) -> String {
    let state = match engine.call(deadline, |docker| docker.inspect_container(id, None)) {
        Ok(container) => container.state.unwrap_or_default(),
        Err(error) => return format!("inspect container {id}: {error}\n"),
    };
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let logs = engine.call(deadline, |docker| docker.logs(id, Some(options)).try_collect::<Vec<_>>());
    let logs = match logs {
        Ok(lines) => lines.iter().map(ToString::to_string).collect(),
        Err(error) => format!("logs of container {id}: {error}\n"),
    };
    format!("container {id}: {}\n{logs}", describe(&state))
}

fn describe(state: &ContainerState) -> String {
    let mut parts = Vec::new();
    parts.extend(state.status.map(|status| status.to_string()));
    parts.extend(state.exit_code.map(|code| format!("exit status {code}")));
    parts.extend((state.oom_killed == Some(true)).then(|| "killed because it was out of memory".to_owned()));
    parts.extend(state.error.clone().filter(|error| !error.is_empty()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_described_in_words() {
        let state = ContainerState { exit_code: Some(137), oom_killed: Some(true), ..Default::default() };
        assert_eq!(describe(&state), "exit status 137, killed because it was out of memory");
    }
}
