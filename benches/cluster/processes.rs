//! Collectors as processes.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use office365_source::simulator::SimulatedTenant;

use crate::topology::topology;

/// Linux counts CPU time for `/proc` in hundredths of a second (`proc_pid_stat(5)`, `USER_HZ`).
const TICK: f64 = 0.01;

/// Starts a collector in a directory of its own. `state` is the table of that name.
pub fn start(directory: &Path, base: &str, tenants: &[SimulatedTenant], state: &str) -> Child {
    fs::create_dir_all(directory).unwrap();
    let rest = format!(
        r#"content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
        request = {{ requests_per_minute = 1000000 }}
        [sources.m365.state]
        {state}"#
    );
    let config = topology(directory, base, tenants, &rest);
    fs::write(directory.join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_office365-source"));
    command.args(["run", "-v", "--config"]).arg(directory.join("config.toml"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(directory.join("log")).unwrap())
        .spawn()
        .unwrap()
}

/// User and system, since the process began.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before the parenthesis may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * TICK
}

/// What a process has in memory. Unit: MiB.
pub fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
