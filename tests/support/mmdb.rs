//! Writes small MaxMind DB files, after the specification of the format, version 2.0.

use std::net::IpAddr;

use serde_json::Value;

/// What stands between data and metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// What stands between the tree of networks and the data.
const SEPARATOR: [u8; 16] = [0; 16];

/// Numbers of the types.
const STRING: u8 = 2;
const DOUBLE: u8 = 3;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOL: u8 = 14;
const FLOAT: u8 = 15;

/// One half of a node.
#[derive(Clone, Copy, Debug)]
enum Record {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A database that is being made.
#[derive(Debug)]
pub struct Database {
    kind: String,
    version: u16,
    built: u64,
    /// Whether fractions are floats instead of doubles.
    floats: bool,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

impl Database {
    /// An empty database of a type such as `GeoLite2-City`, for addresses of IP version 4 or 6.
    pub fn new(kind: &str, version: u16) -> Self {
        let nodes = vec![[Record::Nothing; 2]];
        Self { kind: kind.to_owned(), version, built: 1_790_000_000, floats: false, nodes, data: Vec::new() }
    }

    /// With fractions of half the width.
    #[must_use]
    #[allow(dead_code, reason = "not every test that has this file needs it")]
    pub fn with_floats(mut self) -> Self {
        self.floats = true;
        self
    }

    /// With a row for a network such as `192.0.2.0/24`. A network of IPv4 in a database of IPv6 is in `::/96`.
    #[must_use]
    pub fn with(mut self, network: &str, row: &Value) -> Self {
        let (address, length) = network.split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        let (bits, length) = match (address.parse().unwrap(), self.version) {
            (IpAddr::V4(address), 4) => (u128::from(u32::from(address)) << 96, length),
            (IpAddr::V4(address), _) => (u128::from(u32::from(address)), length + 96),
            (IpAddr::V6(address), _) => (u128::from(address), length),
        };
        let found = Record::Data(self.data.len());
        encode(row, self.floats, &mut self.data);
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][side] = found;
                break;
            }
            node = match self.nodes[node][side] {
                Record::Node(next) => next,
                // What the larger network has, both halves of it have.
                other => {
                    self.nodes.push([other; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Record::Node(next);
                    next
                }
            };
        }
        self
    }

    /// The bytes of its file.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut bytes = Vec::new();
        for record in self.nodes.iter().flatten() {
            let number = match *record {
                Record::Nothing => count,
                Record::Node(node) => node,
                Record::Data(at) => count + SEPARATOR.len() + at,
            };
            // Records of 32 bits.
            bytes.extend(u32::try_from(number).unwrap().to_be_bytes());
        }
        bytes.extend(SEPARATOR);
        bytes.extend(&self.data);
        bytes.extend(MARKER);
        self.metadata(count, &mut bytes);
        bytes
    }

    fn metadata(&self, nodes: usize, out: &mut Vec<u8>) {
        control(MAP, 9, out);
        for (name, number) in [("binary_format_major_version", 2), ("binary_format_minor_version", 0)] {
            text(name, out);
            uint(UINT16, number, out);
        }
        text("build_epoch", out);
        uint(UINT64, self.built, out);
        text("database_type", out);
        text(&self.kind, out);
        text("description", out);
        encode(&serde_json::json!({"en": "made by a test"}), false, out);
        text("ip_version", out);
        uint(UINT16, self.version.into(), out);
        text("languages", out);
        encode(&serde_json::json!(["en"]), false, out);
        text("node_count", out);
        uint(UINT32, nodes.try_into().unwrap(), out);
        text("record_size", out);
        uint(UINT16, 32, out);
    }
}

fn encode(value: &Value, floats: bool, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            control(MAP, members.len(), out);
            for (name, value) in members {
                text(name, out);
                encode(value, floats, out);
            }
        }
        Value::Array(elements) => {
            control(ARRAY, elements.len(), out);
            for element in elements {
                encode(element, floats, out);
            }
        }
        Value::String(string) => text(string, out),
        Value::Bool(flag) => control(BOOL, usize::from(*flag), out),
        Value::Number(number) => match number.as_u64() {
            Some(number) => uint(UINT32, number, out),
            None if floats => {
                control(FLOAT, 4, out);
                out.extend(number.to_string().parse::<f32>().unwrap().to_be_bytes());
            }
            None => {
                control(DOUBLE, 8, out);
                out.extend(number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::Null => panic!("the format has no null"),
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    control(STRING, text.len(), out);
    out.extend(text.as_bytes());
}

/// A number without its leading zeros.
fn uint(kind: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let skipped = bytes.iter().take_while(|byte| **byte == 0).count();
    control(kind, bytes.len() - skipped, out);
    out.extend(&bytes[skipped..]);
}

/// The byte with type and size, and what of them has no room there.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (size, more) = match size {
        0..29 => (size, Vec::new()),
        29..285 => (29, vec![u8::try_from(size - 29).unwrap()]),
        _ => (30, u16::try_from(size - 285).unwrap().to_be_bytes().to_vec()),
    };
    let size = u8::try_from(size).unwrap();
    match kind {
        0..8 => out.push(kind << 5 | size),
        _ => out.extend([size, kind - 7]),
    }
    out.extend(more);
}
