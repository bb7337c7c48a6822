//! `office365-source register`

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::{
    args::RegisterArgs,
    browser, exit,
    output::{complain, print},
};
use crate::{
    clock::Clock,
    content::ContentType,
    registration::{self, ConsentFlow, ConsentLink, InvitationError, InvitationOptions},
    secrets,
    tenancy::ConfiguredSource,
};

pub(super) fn register(args: RegisterArgs) -> ExitCode {
    let RegisterArgs { source, tenant, domain, valid_for, authorization_code, no_browser } = args;
    let topology = match secrets::load(&source.config.config) {
        Ok(topology) => topology,
        Err(errors) => {
            complain(&errors);
            return exit::usage();
        }
    };
    let source = match ConfiguredSource::choose_webhook(&topology, source.source.as_deref()) {
        Ok(source) => source,
        Err(error) => {
            complain(&error);
            return exit::usage();
        }
    };
    let flow = if authorization_code { ConsentFlow::AuthorizationCode } else { ConsentFlow::AdminConsent };
    let options = InvitationOptions { flow, tenant, domain, valid_for: valid_for.get() };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return exit::FAILURE;
        }
    };
    match runtime.block_on(registration::invite(source, options, Clock::system().now())) {
        Ok(link) => {
            complain(&explanation(source, &link));
            let printed = print(link.url.as_str());
            if !no_browser && browser::open(link.url.as_str()) {
                complain(&"A browser was asked to open it.");
            }
            printed
        }
        Err(error @ InvitationError::Credential { .. }) => {
            complain(&error);
            exit::FAILURE
        }
        Err(error) => {
            complain(&error);
            exit::usage()
        }
    }
}

fn explanation(source: ConfiguredSource<'_>, link: &ConsentLink) -> String {
    let reads_dlp = source.config.content_types.contains(&ContentType::Dlp);
    let permissions = if reads_dlp { "ActivityFeed.Read and ActivityFeed.ReadDlp" } else { "ActivityFeed.Read" };
    format!(
        "Open the link below as an administrator of the tenant (a Global Administrator, for instance) and \
         accept.\n\
         - It grants the application {client_id} the permissions of its app registration; this collector needs \
         {permissions} of Office 365 Management APIs and nothing else.\n\
         - The link can be used until {expires}, by anybody who has it, and not after the client secret is renewed.\n\
         - App registrations > your app > Authentication must have the redirect URI (platform Web) {redirect_uri} exactly, \
         and for tenants of other companies \"Accounts in any organizational directory\".\n\
         - The source ({key}) must be running: it takes the answer there and shows what came of it.\n",
        client_id = source.config.auth.application_id().unwrap_or_default(),
        expires = link.expires.format("%Y-%m-%d %H:%M:%S UTC"),
        redirect_uri = link.redirect_uri,
        key = source.key(),
    )
}
