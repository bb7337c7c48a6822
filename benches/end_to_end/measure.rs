//! Running a process and what it costs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Linux counts CPU time for `/proc` in hundredths of a second, whatever the kernel's own clock (`proc_pid_stat(5)`, `USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub wall: Duration,
    /// User and system.
    pub cpu: Duration,
    /// Resident memory at its peak (`VmHWM`).
    pub peak_mib: f64,
    pub missing: usize,
    pub repeated: usize,
}

impl Cost {
    /// The median of times and memory, and the worst of what is wrong.
    pub fn median(costs: &[Cost]) -> Cost {
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let of = |value: fn(&Cost) -> f64| middle(costs.iter().map(value).collect());
        Cost {
            wall: Duration::from_secs_f64(of(|cost| cost.wall.as_secs_f64())),
            cpu: Duration::from_secs_f64(of(|cost| cost.cpu.as_secs_f64())),
            peak_mib: of(|cost| cost.peak_mib),
            missing: costs.iter().map(|cost| cost.missing).max().unwrap_or_default(),
            repeated: costs.iter().map(|cost| cost.repeated).max().unwrap_or_default(),
        }
    }
}

/// Runs the program once over what is there.
pub fn run(binary: &Path, arguments: &[String], config: &Path) -> Cost {
    let began = Instant::now();
    let child = Command::new(binary)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", child.id());
    let mut peak_kib = 0.0_f64;
    // A process that has ended stays in `/proc` until it is waited for.
    let cpu = loop {
        let stat = fs::read_to_string(format!("{process}/stat")).unwrap();
        // The name before the parenthesis may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        if fields[0] == "Z" {
            let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
            break TICK * ticks;
        }
        let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        peak_kib = peak_kib.max(peak.unwrap_or_default());
        thread::sleep(Duration::from_millis(5));
    };
    let wall = began.elapsed();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Cost { wall, cpu, peak_mib: peak_kib / 1024.0, missing: 0, repeated: 0 }
}
