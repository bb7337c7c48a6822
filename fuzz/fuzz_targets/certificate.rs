//! The files of a certificate and of its key, PEM or PFX: whatever is in them, reading them ends with a certificate or an error
//! that names a file and holds nothing of the key.
#![no_main]

use std::{cell::RefCell, fs};

use libfuzzer_sys::fuzz_target;
use office365_source::entra::credential::{CertificateFiles, ClientCertificate};
use secrecy::SecretString;
use tempfile::TempDir;

thread_local! {
    static DIRECTORY: RefCell<TempDir> = RefCell::new(TempDir::new().unwrap());
}

fuzz_target!(|input: (&[u8], Option<&[u8]>, Option<&str>)| {
    let (certificate, key, password) = input;
    DIRECTORY.with_borrow(|directory| {
        let (crt_file, key_file) = (directory.path().join("app.crt"), directory.path().join("app.key"));
        fs::write(&crt_file, certificate).unwrap();
        if let Some(key) = key {
            fs::write(&key_file, key).unwrap();
        }
        let password = password.map(SecretString::from);
        let files = CertificateFiles {
            crt_file: &crt_file,
            key_file: key.map(|_| key_file.as_path()),
            password: password.as_ref(),
        };
        match ClientCertificate::read(files) {
            Ok(certificate) => _ = certificate.ends(),
            Err(error) => assert!(error.to_string().contains("_file")),
        }
    });
});
