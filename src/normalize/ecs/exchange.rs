//! Exchange: cmdlets of administrators, items of mailboxes.

use super::{
    fields::Field as F,
    mapping::Mapping,
    rule::{Family, fills, function, moved},
};
use crate::normalize::{
    json::Node,
    network_address::{ip_of, name_and_address},
};

const ITEM: &[&str] = &["ExchangeItem"];
const SERVERS: &[&str] = &["ExchangeAdmin", "ExchangeItem"];

pub(super) const FAMILY: Family = Family {
    name: "Exchange",
    codes: &[
        "ExchangeAdmin",
        "ExchangeItem",
        "ExchangeItemGroup",
        "ExchangeAggregatedOperation",
        "ExchangeItemAggregated",
    ],
    steps: &[
        moved(F::ORGANIZATION_NAME, &["OrganizationName"]).only(SERVERS).step(),
        super::rule::copied(F::USER_EMAIL, &["MailboxOwnerUPN"]).only(ITEM).step(),
        super::rule::copied(F::USER_ID, &["LogonUserSid"]).only(ITEM).step(),
        moved(F::USER_FULL_NAME, &["LogonUserDisplayName"]).only(ITEM).step(),
        moved(F::PROCESS_NAME, &["ClientProcessName"]).only(ITEM).step(),
        function(
            server,
            &[
                fills(
                    F::SERVER_DOMAIN,
                    "`OriginatingServer`, the name before the brackets",
                    "`ExchangeAdmin`, `ExchangeItem`",
                ),
                fills(
                    F::SERVER_ADDRESS,
                    "`OriginatingServer`, the address in the brackets, else the name, else all of it; moved unless there is something else in the brackets",
                    "`ExchangeAdmin`, `ExchangeItem`",
                ),
                fills(F::SERVER_IP, "`server.address`", "it is an IP address"),
                fills(F::DESTINATION_IP, "`server.ip`", ""),
            ],
        ),
    ],
};

/// `NAME (address)` or `[NAME (address)]`.
fn server(mapping: &mut Mapping<'_>) {
    if !mapping.is_one_of(SERVERS) {
        return;
    }
    let Some(text) = mapping.record.text("OriginatingServer") else { return };
    let text = text.replace(['\r', '\n'], "");
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let (name, address) = name_and_address(bare).map_or((None, text), |(name, address)| (Some(name), address));
    // Records of cmdlets have the version of the server there, `(15.20.8466.016)`.
    let address = match name {
        Some(name) if ip_of(address).is_none() => name,
        _ => {
            mapping.record.set_moved("OriginatingServer");
            address
        }
    };
    let node = |text: &str| Node::text(text.to_owned());
    mapping.fields.set_some(F::SERVER_DOMAIN, name.map(node));
    mapping.fields.set(F::SERVER_ADDRESS, node(address));
    if let Some(ip) = ip_of(address).and_then(|address| address.ip) {
        mapping.fields.set_text(F::SERVER_IP, ip.clone());
        mapping.fields.set_text(F::DESTINATION_IP, ip);
    }
}
