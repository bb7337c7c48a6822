//! `office365-source completions` and `office365-source man`: what the arguments say, for shells and for `man`.

use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{
    args::Cli,
    exit,
    output::{complain, print_bytes},
};

/// The name of the program.
const NAME: &str = "office365-source";

pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    print_bytes(&script)
}

pub(super) fn man(path: &[String]) -> ExitCode {
    let mut page = Vec::new();
    let Some(command) = find(path) else {
        complain(&format_args!("There is no command \"{}\"; `{NAME} help` has them all.", path.join(" ")));
        return exit::usage();
    };
    match Man::new(command).render(&mut page) {
        Ok(()) => print_bytes(&page),
        Err(error) => {
            complain(&error);
            exit::FAILURE
        }
    }
}

/// The command that is meant.
fn find(path: &[String]) -> Option<Command> {
    let mut command = Cli::command();
    // Gives each command the options that all have, and the name of its page.
    command.build();
    for part in path {
        command = command.find_subcommand(part)?.clone();
    }
    // Its page ends with it.
    Some(command.version(env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let mut root = Cli::command();
        root.build();
        let mut waiting: Vec<(Vec<String>, Command)> = vec![(Vec::new(), root)];
        let mut pages = 0;
        while let Some((path, command)) = waiting.pop() {
            let mut page = Vec::new();
            Man::new(find(&path).unwrap()).render(&mut page).unwrap();
            let page = String::from_utf8(page).unwrap();
            let expected = [&[NAME.to_owned()], &path[..]].concat().join("-").replace('-', "\\-");
            assert!(page.contains(&expected), "{expected}: {page}");
            pages += 1;
            let below = command.get_subcommands().filter(|command| command.get_name() != "help");
            waiting.extend(below.map(|below| ([&path[..], &[below.get_name().to_owned()]].concat(), below.clone())));
        }
        assert!(pages > 20, "{pages}");
        assert!(find(&["collect".to_owned()]).is_none());
    }
}
