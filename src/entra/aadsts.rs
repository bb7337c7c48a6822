//! What Entra's AADSTS codes mean to an administrator.
//!
//! Source: MicrosoftDocs/entra-docs, reference-error-codes. Microsoft warns that codes and texts change: they serve as
//! hints here, and no decision rests on them.

/// What to do about a code, if it is a known one.
pub const fn advice(code: u32) -> Option<&'static str> {
    Some(match code {
        7_000_215 | 70_002 => {
            "the client secret is wrong. Often the Secret ID was pasted instead of the Value: in the Entra admin center open \
             App registrations > your app > Certificates & secrets, create a new client secret and copy its Value into \
             auth.client_secret"
        }
        7_000_222 => {
            "the client secret has expired: in the Entra admin center open App registrations > your app > Certificates & \
             secrets, create a new client secret and copy its Value into auth.client_secret"
        }
        7_000_218 => "no credential reached Entra: check auth",
        700_016 | 700_011 => {
            "the application is not known in this tenant: check auth.client_id (App registrations > your app > Application \
             (client) ID) and the tenant's id, and that an administrator of this tenant has consented to the application"
        }
        70_001 | 7_000_112 => {
            "the application is disabled in this tenant: in the Entra admin center open Enterprise applications > your app > \
             Properties and set \"Enabled for users to sign in\" to Yes"
        }
        700_027 => {
            "the certificate was not accepted: upload its public part under App registrations > your app > Certificates & \
             secrets, and check this machine's clock"
        }
        700_024 => "the times of the signed assertion are wrong: set this machine's clock",
        700_211..=700_213 | 70_021 => {
            "no federated credential matches the token: in the Entra admin center open App registrations > your app > \
             Certificates & secrets > Federated credentials, and compare issuer, subject and audience with the token's"
        }
        700_030 => "this certificate is not one of the application's: upload it, or use the right one",
        90_002 => {
            "there is no such tenant in this cloud: check the tenant's id (Entra admin center > Overview > Tenant ID), and \
             `cloud` if it is a government tenant"
        }
        900_382 | 900_432 | 90_038 => "the tenant lives in another cloud: change `cloud` (gcc, gcc_high, dod or china)",
        65_001 | 90_094 | 650_056 => {
            "consent is missing: in the Entra admin center open App registrations > your app > API permissions and click \
             \"Grant admin consent\""
        }
        650_052 => {
            "the tenant has no subscription that includes the Office 365 Management APIs: check its licences, and turn on \
             auditing in the Microsoft Purview portal"
        }
        65_004 => "the administrator declined: open the link again and click Accept",
        90_008 | 90_009 | 90_093 => {
            "the application asks for no permission: in the Entra admin center open App registrations > your app > API \
             permissions, and add Office 365 Management APIs > Application permissions > ActivityFeed.Read"
        }
        50_194 => {
            "the application is for a single tenant: in the Entra admin center open App registrations > your app > \
             Authentication and choose \"Accounts in any organizational directory\""
        }
        50_011 | 500_112 | 500_113 => {
            "the redirect URI is not the application's: in the Entra admin center open App registrations > your app > \
             Authentication > Add a platform > Web, and enter webhook.public_url exactly as configured"
        }
        54_005 | 70_000 | 70_008 => "the authorization code is used up or too old: open the registration link again",
        53_003 | 530_035 => {
            "Conditional Access blocks the application: exempt this workload identity or the IP address of this machine from \
             the policy"
        }
        50_196 => "Entra sees too many equal requests and pauses; another program may be using the same application",
        90_055 | 90_006 | 90_012 | 90_024 | 90_033 => "Entra is busy; the source tries again by itself",
        500_011 => {
            "Entra does not know the Office 365 Management APIs in this tenant: check `cloud`, and that the application has \
             permissions of \"Office 365 Management APIs\""
        }
        _ => return None,
    })
}

/// What to do about a text that names a code, if it is a known one.
pub fn advice_in(text: &str) -> Option<&'static str> {
    advice(code_in(text)?)
}

/// The code in a text such as `AADSTS7000215: Invalid client secret provided.`
pub fn code_in(text: &str) -> Option<u32> {
    let digits = text.split_once("AADSTS")?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_descriptions() {
        assert_eq!(code_in("AADSTS7000215: Invalid client secret provided."), Some(7_000_215));
        assert_eq!(code_in("x AADSTS90002"), Some(90_002));
        assert_eq!(code_in("AADSTS: nothing"), None);
        assert_eq!(code_in("AADSTS99999999999999999999: too long"), None);
    }
}
