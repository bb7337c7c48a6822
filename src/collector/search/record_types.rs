//! Names of record types that Microsoft Graph uses and no table has, with the numbers that their records have.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use memchr::memmem;

use crate::{collector::telemetry, normalize::beside};

/// How many names are told of at most: what comes is data, and data can be made up.
const MOST: usize = 1_000;

/// The names that have been told of. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct NamesTold(Arc<Mutex<HashSet<String>>>);

/// The names that one reader has seen.
#[derive(Debug)]
pub struct Names {
    told: NamesTold,
    seen: HashSet<String>,
}

impl Names {
    pub fn new(told: NamesTold) -> Self {
        Self { told, seen: HashSet::new() }
    }

    /// Looks at the type of a record: its name, and the classic record. Tells once of a name that is not that of the number.
    pub fn look(&mut self, name: &str, record: &[u8]) {
        if self.seen.contains(name) || self.seen.len() >= MOST {
            return;
        }
        self.seen.insert(name.to_owned());
        let Some(number) = number_in(record).filter(|number| beside::record_type(name).map(i64::from) != Some(*number))
        else {
            return;
        };
        let mut told = self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST && told.insert(name.to_owned()) {
            telemetry::record_type_pair(name, number);
        }
    }
}

/// `RecordType` of a record.
fn number_in(record: &[u8]) -> Option<i64> {
    const MEMBER: &[u8] = b"\"RecordType\":";
    let rest = record.get(memmem::find(record, MEMBER)? + MEMBER.len()..)?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_that_of_the_number_is_told_once() {
        let told = NamesTold::default();
        let record = |number: i64| format!(r#"{{"Id":"1","RecordType": {number},"X":1}}"#).into_bytes();
        for _ in 0..2 {
            let mut names = Names::new(told.clone());
            names.look("azureActiveDirectoryStsLogon", &record(15));
            names.look("Microsoft365BackupRestoreTask", &record(99_999));
            names.look("ExchangeItem", &record(2));
            names.look("ExchangeAdmin", &record(2));
            names.look("Nothing", b"{}");
        }
        let mut told: Vec<_> = told.0.lock().unwrap().iter().cloned().collect();
        told.sort_unstable();
        assert_eq!(told, ["ExchangeAdmin", "Microsoft365BackupRestoreTask"]);
    }
}
