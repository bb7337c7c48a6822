//! How both sides prove that they know a secret, without sending it.

use std::fmt::Write;

use ring::digest::{Context, SHA512, SHA512_OUTPUT_LEN};
use subtle::ConstantTimeEq;

/// What proves that `hostname` knows the key: SHA-512 of salt, name, the server's nonce and key, in hexadecimal digits.
///
/// The client proves it in PING, the server with its own name in PONG.
pub fn shared_key_digest(salt: &[u8], hostname: &[u8], nonce: &[u8], key: &[u8]) -> String {
    sha512([salt, hostname, nonce, key])
}

/// What proves that the client knows the user's password: SHA-512 of the server's salt, user and password.
pub fn password_digest(salt: &[u8], username: &str, password: &str) -> String {
    sha512([salt, username.as_bytes(), password.as_bytes()])
}

/// Whether a server's digest is the expected one, in a time that does not reveal how much of it is right.
pub fn is_same_digest(digest: &[u8], expected: &str) -> bool {
    digest.ct_eq(expected.as_bytes()).into()
}

fn sha512<const N: usize>(parts: [&[u8]; N]) -> String {
    let mut context = Context::new(&SHA512);
    for part in parts {
        context.update(part);
    }
    let mut text = String::with_capacity(2 * SHA512_OUTPUT_LEN);
    for byte in context.finish().as_ref() {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
