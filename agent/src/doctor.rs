//! `weir doctor`: what this machine can do for weir, what each missing piece costs, and a live proof of capture.
//! Asks the machine and shows the answers; repairs nothing.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::Output;

mod hooks;
mod machine;
mod probe;
mod visitor;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub group: Group,
    pub name: &'static str,
    pub present: bool,
    /// What was found, or why it was not.
    pub detail: String,
    /// Whether weir can do without.
    pub required: bool,
    /// What its absence costs.
    pub cost: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    Machine,
    Privilege,
    Hook,
    Probe,
}

impl Group {
    fn title(self) -> &'static str {
        match self {
            Group::Machine => "machine",
            Group::Privilege => "privilege",
            Group::Hook => "hook",
            Group::Probe => "live probe",
        }
    }
}

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// Whether capture works here.
    pub able: bool,
    pub findings: Vec<Finding>,
}

/// Examines and prints. True when capture works here.
pub async fn run(output: Output) -> anyhow::Result<bool> {
    // The probe waits for other processes.
    let examination = tokio::task::spawn_blocking(examine).await?;
    let mut out = io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&examination)?)?,
        Output::Text => show(&examination, &mut out)?,
    }
    Ok(examination.able)
}

/// Looks at the machine and runs the probe, in a scratch cgroup that is gone afterwards.
#[must_use]
pub fn examine() -> Examination {
    let mut findings = machine::findings();
    findings.extend(hooks::findings());
    match probe::Scene::set() {
        Ok(scene) => findings.extend(scene.play()),
        Err(error) => findings.push(Finding {
            group: Group::Probe,
            name: "capture",
            present: false,
            detail: format!("{error:#}"),
            required: true,
            cost: "nothing is captured",
        }),
    }
    let able = findings.iter().all(|finding| finding.present || !finding.required);
    Examination { able, findings }
}

fn show(examination: &Examination, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let mut group = None;
    for finding in &examination.findings {
        if group.replace(finding.group) != Some(finding.group) {
            table.add_row([finding.group.title(), "", ""]);
        }
        let state = if finding.present { "yes" } else { "no" };
        let detail = if finding.present {
            finding.detail.clone()
        } else {
            format!("{}; without it: {}", finding.detail, finding.cost)
        };
        table.add_row([&format!("  {}", finding.name), state, &detail]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    let verdict =
        if examination.able { "Capture works here." } else { "Capture does not work here." };
    writeln!(out, "\n{verdict}")
}

#[cfg(test)]
mod tests;
