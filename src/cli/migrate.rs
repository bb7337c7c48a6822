//! The state of a source moves between the file of one collector and the bucket that several share.

use std::process::ExitCode;

use super::{
    args::{MigrateArgs, StatePlace},
    asking::failure,
    exit,
    output::complain,
    state::{directory_of, with_source},
};
use crate::{
    config::StateKind,
    secrets::SecretReader,
    shared_state::nats_options,
    tenancy::{
        ConfiguredSource,
        migration::{Moved, to_embedded, to_nats},
    },
};

pub(super) fn migrate(args: &MigrateArgs) -> ExitCode {
    with_source(&args.source, |source| match (args.from, args.to) {
        (from, to) if from == to => refuse("--from and --to name the same place"),
        _ if source.config.state.kind != StateKind::Nats => refuse(&format!(
            "{}.state does not say where NATS is; write type = \"nats\" and servers there, also for the way back",
            source.key()
        )),
        (_, to) => move_state(source, to),
    })
}

fn refuse(problem: &str) -> ExitCode {
    complain(&problem);
    exit::usage()
}

fn move_state(source: ConfiguredSource<'_>, to: StatePlace) -> ExitCode {
    let (directory, runtime) = match directory_of(source) {
        Ok(there) => there,
        Err(refused) => return refused,
    };
    let moved = runtime.block_on(async {
        let path = format!("{}.state", source.key());
        let options = nats_options(&source.config.state, &SecretReader::default(), &path).await?;
        let retention = source.config.ids_kept_for();
        Ok::<_, crate::Error>(match to {
            StatePlace::Nats => to_nats(&directory, &options, retention).await?,
            StatePlace::Embedded => to_embedded(&directory, &options, retention).await?,
        })
    });
    match moved {
        Ok(Moved { feeds, content, events }) => {
            let (place, next) = match to {
                StatePlace::Nats => ("the bucket", "The ledger on this machine is called ledger.redb.moved now."),
                StatePlace::Embedded => (
                    "the new ledger on this machine",
                    "Take the table `state` out of the configuration before the next start.",
                ),
            };
            complain(&format_args!(
                "{feeds} feeds, {content} content blobs and {events} ids of delivered events are in {place}. {next}"
            ));
            exit::OK
        }
        Err(error) => failure(&*error),
    }
}
