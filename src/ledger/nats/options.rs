//! What a configuration says of the shared state.

use std::path::PathBuf;

use secrecy::SecretString;

/// Where the shared state is, and how to get there.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// The URLs of the servers, such as `nats://n1:4222`.
    pub servers: Vec<String>,
    /// What the names of the bucket and of all subjects begin with.
    pub prefix: String,
    /// How many servers hold each message.
    pub replicas: usize,
    /// Who this program is.
    pub login: NatsLogin,
    /// TLS towards the servers, for those that ask for it.
    pub tls: Option<rustls::ClientConfig>,
    /// Whether a server that does not is refused.
    pub requires_tls: bool,
}

impl NatsOptions {
    /// Those of servers that hold one copy each, and that ask for neither a log-in nor TLS.
    pub fn new(servers: Vec<String>, prefix: impl Into<String>) -> Self {
        let login = NatsLogin::Anonymous;
        Self { servers, prefix: prefix.into(), replicas: 1, login, tls: None, requires_tls: false }
    }
}

/// How this program shows the servers who it is.
#[derive(Clone, Debug)]
pub enum NatsLogin {
    /// It does not, but for a client certificate.
    Anonymous,
    /// With a file of credentials (a JWT and an `NKey`), as `nsc` writes it.
    CredentialsFile(PathBuf),
    /// With a token.
    Token(SecretString),
    /// With a user and a password.
    User {
        /// The user.
        name: String,
        /// The password.
        password: SecretString,
    },
    /// With the seed of an `NKey`.
    Nkey(SecretString),
}
