//! The exported functions, called as Fluent Bit calls them, with the simulator for Microsoft.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod mock;

use std::{
    collections::BTreeSet,
    fs, ptr,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use office365_fluent_bit::{FLBPluginExit, FLBPluginInit, FLBPluginInputCallbackCtx, FLBPluginRegister};
use office365_source::{
    clock::Clock,
    simulator::{Operation, RunningSimulator, SimulatedTenant, Simulator, SimulatorConfig},
};
use tempfile::TempDir;

use mock::{Age, Instance as Plugged};

/// How often a test plays the timer; more often than Fluent Bit does.
const TICK: Duration = Duration::from_millis(100);

/// Microsoft, and a directory; one test at a time, since the process's threads are counted.
struct World {
    simulator: Simulator,
    _service: RunningSimulator,
    _runtime: tokio::runtime::Runtime,
    base: String,
    tenants: Vec<SimulatedTenant>,
    directory: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = Duration::from_hours(30 * 24);
        let tenants = vec![
            SimulatedTenant::contoso().subscribed_since(long_ago),
            SimulatedTenant::fabrikam().subscribed_since(long_ago),
        ];
        let config = SimulatorConfig { tenants: tenants.clone(), ..SimulatorConfig::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = Simulator::new(config, Clock::system());
        let service = runtime.block_on(simulator.serve(([127, 0, 0, 1], 0).into())).unwrap();
        let base = service.base_url().as_str().trim_end_matches('/').to_owned();
        let directory = TempDir::new().unwrap();
        Self { simulator, _service: service, _runtime: runtime, base, tenants, directory, _alone: alone }
    }

    /// The properties of a source that collects the tenant's events.
    fn properties(&self, tenant: usize, changes: &[(&str, &str)]) -> Vec<(String, String)> {
        let SimulatedTenant { id, client_id, client_secret, .. } = &self.tenants[tenant];
        let mut properties: Vec<(String, String)> = [
            ("tenant_id", id.to_string()),
            ("client_id", client_id.to_string()),
            ("client_secret", client_secret.clone()),
            ("endpoint", self.base.clone()),
            ("auth_endpoint", self.base.clone()),
            ("data_dir", self.directory.path().display().to_string()),
            (
                "content_types",
                "Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, Audit.General, DLP.All".to_owned(),
            ),
            ("schema", "raw".to_owned()),
            ("poll_interval_secs", "1".to_owned()),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
        for (name, text) in changes {
            properties.retain(|(known, _)| known != name);
            properties.push(((*name).to_owned(), (*text).to_owned()));
        }
        properties
    }

    fn start(&self, age: Age, tenant: usize, changes: &[(&str, &str)]) -> Result<Plugged, Vec<String>> {
        let properties = self.properties(tenant, changes);
        let properties: Vec<_> = properties.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Plugged::start(age, &properties)
    }

    /// The ids of all events of a tenant.
    fn expected(&self, tenant: usize) -> BTreeSet<String> {
        let id = self.tenants[tenant].id;
        self.simulator
            .oracle()
            .expected_ids()
            .into_iter()
            .filter_map(|(of, event)| (of == id).then_some(event))
            .collect()
    }
}

/// The id of a record, which must be one of Fluent Bit's with the event's own time.
fn id(record: &rmpv::Value) -> String {
    let [head, body] = record.as_array().unwrap().as_slice() else { panic!("{record}") };
    let [time, metadata] = head.as_array().unwrap().as_slice() else { panic!("{head}") };
    assert_eq!(metadata.as_map().map(Vec::len), Some(0), "{metadata}");
    let (0, time) = time.as_ext().unwrap() else { panic!("{time}") };
    let text = |name: &str| {
        let member = body.as_map().unwrap().iter().find(|(key, _)| key.as_str() == Some(name));
        member.unwrap().1.as_str().unwrap().to_owned()
    };
    let seconds = u32::from_be_bytes(time[..4].try_into().unwrap());
    let created = chrono::NaiveDateTime::parse_from_str(&text("CreationTime"), "%Y-%m-%dT%H:%M:%S").unwrap();
    assert_eq!(i64::from(seconds), created.and_utc().timestamp());
    text("Id")
}

/// A test that waits for longer has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Plays the timer until something comes.
fn first(instance: &Plugged) -> Vec<rmpv::Value> {
    let began = Instant::now();
    loop {
        let records = instance.collect();
        if !records.is_empty() {
            return records;
        }
        assert!(began.elapsed() < PATIENCE, "nothing comes: {:#?}", instance.lines());
        thread::sleep(TICK);
    }
}

/// Plays the timer until all of `expected` has come, each once.
fn collect_all(instance: &Plugged, expected: &BTreeSet<String>) {
    let began = Instant::now();
    let mut seen = BTreeSet::new();
    while seen.len() < expected.len() {
        assert!(began.elapsed() < PATIENCE, "{} of {}: {:#?}", seen.len(), expected.len(), instance.lines());
        for record in instance.collect() {
            let id = id(&record);
            assert!(expected.contains(&id) && seen.insert(id.clone()), "{id} is unknown or came twice");
        }
        thread::sleep(TICK);
    }
}

/// Plays the timer until so many blobs count as delivered. No event comes meanwhile.
fn wait_for_deliveries(instance: &Plugged, blobs: usize) {
    let began = Instant::now();
    let delivered = || instance.lines().iter().filter(|line| line.contains("Content delivered.")).count();
    while delivered() < blobs {
        assert!(began.elapsed() < PATIENCE, "{} of {blobs}: {:#?}", delivered(), instance.lines());
        thread::sleep(TICK);
        assert!(instance.collect().is_empty());
    }
}

/// How many events come until every content type has been listed three times. What is pending is asked for before that.
fn collect_for_three_passes(world: &World, instance: &Plugged) -> usize {
    let listings = || world.simulator.stats().requests_for(Operation::Content);
    let (began, before) = (Instant::now(), listings());
    let mut came = 0;
    while listings() < before + 3 * 5 {
        assert!(began.elapsed() < PATIENCE, "nothing is listed: {:#?}", instance.lines());
        thread::sleep(TICK);
        came += instance.collect().len();
    }
    came
}

/// The threads of instances in this process.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "office365").count()
}

#[test]
fn events_arrive_once_and_stay_delivered_when_fluent_bit_came_back() {
    let world = World::new();
    assert_eq!(mock::register().2, "office365");
    let instance = world.start(Age::New, 0, &[]).unwrap();
    let expected = world.expected(0);
    assert!(expected.len() > 100);
    collect_all(&instance, &expected);
    assert!(threads() > 0);
    let downloads = world.simulator.stats().requests_for(Operation::Blob);
    wait_for_deliveries(&instance, usize::try_from(downloads).unwrap());
    // The ledger hears of it from the source's own threads, whom Exit waits for.
    let lines = instance.lines();
    assert!(lines.iter().any(|line| line.starts_with("3 [office365:office365] Source starts.")), "{lines:#?}");
    instance.exit();
    assert_eq!(threads(), 0, "Exit waits for the source's threads");

    let again = world.start(Age::New, 0, &[]).unwrap();
    let downloads = || world.simulator.stats().requests_for(Operation::Blob);
    let before = downloads();
    assert_eq!(collect_for_three_passes(&world, &again), 0, "what was delivered does not come again");
    assert_eq!(downloads(), before, "nor is it asked for");
    again.exit();
}

#[test]
fn what_fluent_bit_did_not_come_back_for_comes_again() {
    let world = World::new();
    let expected = world.expected(0);
    let instance = world.start(Age::New, 0, &[]).unwrap();
    // Only what one callback gives: the next one would settle it.
    let given: BTreeSet<_> = first(&instance).iter().map(id).collect();
    assert!(given.is_subset(&expected));
    instance.exit();
    let again = world.start(Age::New, 0, &[]).unwrap();
    collect_all(&again, &expected);
    again.exit();
}

#[test]
fn a_pause_gives_nothing_and_settles_nothing() {
    let world = World::new();
    let expected = world.expected(0);
    let instance = world.start(Age::New, 0, &[]).unwrap();
    instance.pause();
    assert_eq!(collect_for_three_passes(&world, &instance), 0);
    instance.resume();
    collect_all(&instance, &expected);
    instance.pause();
    // What another instance gives from now on settles later than what this one has given.
    let other = world.start(Age::New, 1, &[("source", "fabrikam")]).unwrap();
    collect_all(&other, &world.expected(1));
    wait_for_deliveries(&other, 1);
    assert!(instance.collect().is_empty());
    other.exit();
    instance.exit();
    let again = world.start(Age::New, 0, &[]).unwrap();
    // The last callback's events were never confirmed.
    assert!(first(&again).iter().all(|record| expected.contains(&id(record))));
    again.exit();
}

#[test]
fn instances_do_not_know_each_other() {
    let world = World::new();
    let one = world.start(Age::New, 0, &[("source", "contoso")]).unwrap();
    let two = world.start(Age::New, 1, &[("source", "fabrikam")]).unwrap();
    one.pause();
    collect_all(&two, &world.expected(1));
    assert!(one.collect().is_empty());
    one.resume();
    collect_all(&one, &world.expected(0));
    assert!(two.lines().iter().all(|line| !line.contains("[office365:contoso]")), "{:#?}", two.lines());
    two.exit();
    assert!(threads() > 0, "the other one goes on");
    one.exit();
    assert_eq!(threads(), 0);
}

#[test]
fn instances_on_one_thread_end_in_reverse_order() {
    let world = World::new();
    for age in [Age::New, Age::Old] {
        let name = |name: &str| format!("{name}-{age:?}");
        let (contoso, fabrikam) = (name("contoso"), name("fabrikam"));
        let one = world.start(age, 0, &[("source", &contoso)]).unwrap();
        let properties = world.properties(1, &[("source", &fabrikam)]);
        let properties: Vec<_> = properties.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let two = one.start_beside(age, &properties);
        two.exit();
        // It was the second that ended: its ledger is free, and that of the first is not.
        world.start(Age::New, 1, &[("source", &fabrikam)]).unwrap().exit();
        let lines = world.start(Age::New, 0, &[("source", &contoso)]).err().unwrap().join("\n");
        assert!(lines.contains("is in use"), "{lines}");
        one.resume();
        collect_all(&one, &world.expected(0));
        one.exit();
        assert_eq!(threads(), 0);
    }
}

#[test]
fn an_older_host_is_served_without_context() {
    let world = World::new();
    let instance = world.start(Age::Old, 0, &[]).unwrap();
    collect_all(&instance, &world.expected(0));
    instance.exit();
}

#[test]
fn wrong_properties_refuse_the_start_and_say_why() {
    let world = World::new();
    let refused = |changes: &[(&str, &str)]| world.start(Age::New, 0, changes).err().unwrap().join("\n");
    let text = refused(&[("client_id", "nonsense"), ("mode", "push")]);
    assert!(text.contains("1 [office365] client_id: is not a GUID."), "{text}");
    assert!(text.contains("1 [office365] mode: \"push\" is not known here"), "{text}");
    let text = refused(&[("client_secret_env", "NOWHERE_TO_BE_FOUND"), ("client_secret", "")]);
    assert!(text.contains("client_secret"), "{text}");
    let file = world.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let text = refused(&[("data_dir", file.to_str().unwrap())]);
    assert!(text.contains("1 [office365] data_dir: ") && text.contains("is not a directory"), "{text}");
    assert_eq!(threads(), 0);
}

#[test]
fn a_secret_that_cannot_be_read_is_told_by_its_property() {
    let world = World::new();
    let mut properties = world.properties(0, &[("client_secret_env", "NOWHERE_TO_BE_FOUND")]);
    properties.retain(|(name, _)| name != "client_secret");
    let properties: Vec<_> = properties.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let text = Plugged::start(Age::New, &properties).err().unwrap().join("\n");
    let expected = "1 [office365:office365] client_secret: the environment variable NOWHERE_TO_BE_FOUND is not set.";
    assert!(text.contains(expected), "{text}");
    assert_eq!(threads(), 0);
}

#[test]
fn slips_are_warned_of() {
    let world = World::new();
    let instance = world.start(Age::New, 0, &[("tennant_id", "x"), ("ClientId", "y")]).unwrap();
    let text = instance.lines().join("\n");
    assert!(text.contains("2 [office365] tennant_id: is not a property of this plugin"), "{text}");
    assert!(text.contains("2 [office365] clientid: ") && text.contains("did you mean client_id?"), "{text}");
    instance.exit();
}

#[test]
fn two_instances_cannot_share_a_ledger() {
    let world = World::new();
    let one = world.start(Age::New, 0, &[]).unwrap();
    let lines = world.start(Age::New, 1, &[]).err().unwrap().join("\n");
    assert!(lines.contains("data_dir: the ledger ") && lines.contains("is in use"), "{lines}");
    collect_all(&one, &world.expected(0));
    one.exit();
}

#[test]
fn nothing_is_dereferenced_that_is_not_there() {
    let _world = World::new();
    // SAFETY: null is allowed.
    assert_eq!(unsafe { FLBPluginRegister(ptr::null_mut()) }, -1);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { FLBPluginInit(ptr::null_mut()) }, -1);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { FLBPluginInputCallbackCtx(ptr::null_mut(), ptr::null_mut(), ptr::null_mut()) }, -1);
    let (mut data, mut length) = (ptr::null_mut(), 5);
    // SAFETY: both may be written to.
    let answer =
        unsafe { FLBPluginInputCallbackCtx(ptr::without_provenance_mut(12_345), &raw mut data, &raw mut length) };
    assert_eq!((answer, length, data.is_null()), (-1, 0, true), "there is no such instance");
    assert_eq!(FLBPluginExit(), 1, "an instance that never started needs no end");
}
