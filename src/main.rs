//! The command line of office365-source.
fn main() {}
