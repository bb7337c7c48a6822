//! Tables with a header: audit exports of the Purview portal, of Microsoft Graph and of `Export-Csv`, whose column `AuditData` holds
//! the record; and tables whose columns are the members of records.
//!
//! A row becomes a JSON object of texts, so that records are found in it as in any other object. `csv-core` and not `csv`, which
//! would hold a whole row however long: one quotation mark too many makes the rest of the file a row.

use csv_core::{ReadFieldResult, ReaderBuilder};

use super::{
    carriers::rank,
    found::{Found, Place, Problem, Text, line_ends},
    outline::Outline,
};
use crate::normalize::{beside::is_audit_data, write_string};

/// The longest name of a column that is looked at, in bytes.
const MAX_NAME: usize = 1 << 10;

/// A resumable reader of the rows below a header.
#[derive(Debug)]
pub(super) struct ExportReader {
    fields: Fields,
    columns: Vec<String>,
    /// The index of the column that holds the record, if there is one.
    audit_data: Option<usize>,
    /// The number of the current line.
    line: u64,
    row: Option<Row>,
    text: Text,
}

/// The row that is being read.
#[derive(Debug)]
struct Row {
    /// The line where it begins.
    line: u64,
    /// The index of the current column.
    column: usize,
    /// Whether the current cell has anything in it.
    has_text: bool,
    /// The beginning of the current cell.
    cell: Text,
    /// Whether all cells so far are the names of their columns.
    is_header: bool,
}

impl Row {
    fn new(line: u64) -> Self {
        Self { line, column: 0, has_text: false, cell: Text::new(MAX_NAME), is_header: true }
    }
}

impl ExportReader {
    /// A reader of what follows the line `header`, where `line` begins. It takes rows up to `limit` bytes. `None` if the names
    /// of the columns are not those of a table of records, whatever separates them: Excel writes semicolons where the comma is
    /// the decimal mark, and tabs in "Unicode text".
    pub(super) fn with_header(header: &[u8], line: u64, limit: usize) -> Option<Self> {
        b",;\t|".iter().find_map(|delimiter| {
            let mut fields = Fields::separated_by(*delimiter);
            let columns = fields.names(header);
            let audit_data = columns.iter().position(|name| is_audit_data(name));
            let text = Text::new(limit);
            holds_records(&columns).then_some(Self { fields, columns, audit_data, line, row: None, text })
        })
    }

    /// Reads the next piece of input.
    pub(super) fn feed(&mut self, mut input: &[u8], found: &mut dyn FnMut(Found)) {
        loop {
            if self.row.is_none() {
                let at = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
                input = self.advance(input, at);
                self.row = (!input.is_empty()).then(|| Row::new(self.line));
            }
            // An empty piece would be the end.
            if input.is_empty() {
                return;
            }
            let consumed = self.step(input, found);
            input = self.advance(input, consumed);
        }
    }

    /// Reads the end of the input, which ends the last row.
    pub(super) fn finish(mut self, found: &mut dyn FnMut(Found)) {
        self.step(&[], found);
    }

    /// The rest of the input after `count` bytes.
    fn advance<'a>(&mut self, input: &'a [u8], count: usize) -> &'a [u8] {
        let (part, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        self.line += line_ends(part);
        rest
    }

    /// Consumes at most the rest of a field; returns how many bytes that is.
    fn step(&mut self, input: &[u8], found: &mut dyn FnMut(Found)) -> usize {
        let Some(row) = &mut self.row else { return 0 };
        let (consumed, part, end) = self.fields.next(input);
        row.cell.push(part);
        if let Some(name) = self.columns.get(row.column).filter(|_| !part.is_empty()) {
            if !row.has_text {
                row.has_text = true;
                self.text.push(if self.text.is_empty() { b"{" } else { b"," });
                let mut quoted = Vec::new();
                write_string(name, &mut quoted);
                self.text.push(&quoted);
                self.text.push(b":\"");
            }
            self.text.push(&escaped(part));
        }
        if let Some(end) = end {
            if row.has_text {
                self.text.push(b"\"");
            }
            row.is_header &= match row.cell.take() {
                Ok(cell) => self.columns.get(row.column).is_some_and(|name| is_name(&cell, name)),
                Err(_) => false,
            };
            row.has_text = false;
            match end {
                End::Field => row.column += 1,
                End::Row => self.end_row(found),
            }
        }
        consumed
    }

    fn end_row(&mut self, found: &mut dyn FnMut(Found)) {
        let Some(Row { line, column, is_header, .. }) = self.row.take() else { return };
        let place = Place::Line(line);
        if self.audit_data.is_some_and(|audit_data| column < audit_data) {
            drop(self.text.take());
            found(Found::bad(place, Problem::NoCell));
        } else if is_header || self.text.is_empty() && !self.text.is_too_large() {
            // Exports that were put together have more than one header, and tables that Excel saved have empty rows.
            drop(self.text.take());
        } else {
            self.text.push(b"}");
            found(Found::row(place, self.text.take()));
        }
    }
}

/// Whether a table with these columns has records.
fn holds_records(columns: &[String]) -> bool {
    let mut outline = Outline::default();
    for name in columns {
        outline.visit_name(name);
    }
    // A line with one word on it is no header yet.
    let is_carrier = |name: &String| rank(name).is_some() && (columns.len() > 1 || name.contains(['_', '.']));
    outline.has_audit_data() || outline.is_record() || outline.is_beside() || columns.iter().any(is_carrier)
}

fn is_name(cell: &[u8], name: &str) -> bool {
    cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

/// A part of a JSON string. Bytes that are no UTF-8 stay.
fn escaped(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len() + part.len() / 8);
    for byte in part {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

/// Splits rows into fields.
#[derive(Debug)]
struct Fields {
    core: csv_core::Reader,
    buffer: Vec<u8>,
}

enum End {
    Field,
    Row,
}

impl Fields {
    fn separated_by(delimiter: u8) -> Self {
        Self { core: ReaderBuilder::new().delimiter(delimiter).build(), buffer: vec![0; 8 << 10] }
    }

    /// Consumes at most the rest of a field. No input means its end. Returns how many bytes were consumed, the text in them, and
    /// what ends there.
    fn next(&mut self, input: &[u8]) -> (usize, &[u8], Option<End>) {
        let (result, consumed, written) = self.core.read_field(input, &mut self.buffer);
        let end = match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => None,
            ReadFieldResult::Field { record_end: false } => Some(End::Field),
            ReadFieldResult::Field { record_end: true } | ReadFieldResult::End => Some(End::Row),
        };
        (consumed, self.buffer.get(..written).unwrap_or_default(), end)
    }

    /// The names of the columns.
    fn names(&mut self, header: &[u8]) -> Vec<String> {
        let line = [header.trim_ascii(), b"\n"].concat();
        let (mut rest, mut name, mut names) = (line.as_slice(), Text::new(MAX_NAME), Vec::new());
        while !rest.is_empty() {
            let (consumed, part, end) = self.next(rest);
            name.push(part);
            rest = rest.get(consumed..).unwrap_or_default();
            if end.is_some() {
                let name = name.take().unwrap_or_default();
                names.push(String::from_utf8_lossy(name.trim_ascii()).into_owned());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// What is found below a header: the line, and the text or why there is none.
    fn rows(header: &str, rows: &str, cut: usize) -> Vec<(Place, Result<String, String>)> {
        let mut reader = ExportReader::with_header(header.as_bytes(), 2, 100).unwrap();
        let mut all = Vec::new();
        let mut found = |Found { place, text, is_row }| {
            assert!(is_row || text.is_err());
            let cell = |text: Bytes| {
                let row: serde_json::Value = serde_json::from_slice(&text).unwrap();
                let cell = row.as_object().unwrap().iter().find(|(name, _)| is_audit_data(name));
                cell.map_or_else(|| row.to_string(), |(_, cell)| cell.as_str().unwrap().to_owned())
            };
            let text = text.map(cell).map_err(|problem| problem.to_string());
            all.push((place, text));
        };
        for piece in rows.as_bytes().chunks(cut) {
            reader.feed(piece, &mut found);
        }
        reader.finish(&mut found);
        all
    }

    fn texts(header: &str, text: &str) -> Vec<String> {
        rows(header, text, usize::MAX).into_iter().map(|(_, text)| text.unwrap()).collect()
    }

    #[test]
    fn the_column_is_found_by_its_name_whatever_separates_it() {
        let wanted = ["{\"a\":\"x, y; z\"}"];
        assert_eq!(texts("RecordId,AuditData,UserId\r", "1,\"{\"\"a\"\":\"\"x, y; z\"\"}\",u\r\n"), wanted);
        assert_eq!(texts("\"UserId\";\"auditdata\"", "u;\"{\"\"a\"\":\"\"x, y; z\"\"}\""), wanted);
        assert_eq!(texts(" AUDITDATA \tUserId", "\"{\"\"a\"\":\"\"x, y; z\"\"}\"\tu\n"), wanted);
        for header in ["RecordId,Audit,UserId", "", "AuditData2", "\"AuditData,UserId", "message", "Date,Operation,Id"]
        {
            assert!(ExportReader::with_header(header.as_bytes(), 2, 100).is_none(), "{header}");
        }
    }

    #[test]
    fn rows_have_the_line_where_they_begin_wherever_the_input_is_cut() {
        let text = "1,\"{\n\n}\"\r\n\r\n2\n\"3\n\",{}\n4,\"\"\nrecordid, AuditData\n,\n5,{},more,and more\n6,{";
        let expected = [
            (2, Ok("{\n\n}")),
            (6, Err("the row has no column AuditData")),
            (7, Ok("{}")),
            (9, Ok("{\"RecordId\":\"4\"}")),
            (12, Ok("{}")),
            (13, Ok("{")),
        ];
        let expected = expected.map(|(line, text)| (Place::Line(line), text.map(str::to_owned).map_err(str::to_owned)));
        for cut in [1, 2, 3, 7, 1000] {
            assert_eq!(rows("RecordId,AuditData", text, cut), expected, "cut into {cut}");
        }
    }

    #[test]
    fn tables_are_known_by_the_members_of_records_or_by_what_holds_one() {
        for (header, row, expected) in [
            (
                "CreationTime,Id,Operation",
                "t,\"a\"\"\\\",\"x\ny\u{1}\"",
                r#"{"CreationTime":"t","Id":"a\"\\","Operation":"x\ny\u0001"}"#,
            ),
            ("\"CreationDate\"\t\"Operations\"", "t\to", r#"{"CreationDate":"t","Operations":"o"}"#),
            ("createdDateTime|operation|service", "t||", r#"{"createdDateTime":"t"}"#),
            ("Date,AuditDetails", "t,{}", r#"{"AuditDetails":"{}","Date":"t"}"#),
            ("_raw", "{}", r#"{"_raw":"{}"}"#),
        ] {
            assert_eq!(texts(header, row), [expected], "{header}");
        }
    }

    #[test]
    fn a_cell_that_never_ends_is_one_that_is_too_large() {
        let text = format!("1,{{}}\n2,\"{{}}\n{}", "3,{}\n".repeat(10_000));
        let found = rows("RecordId,AuditData", &text, 1000);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], (Place::Line(3), Err("the record has more than 100 bytes".to_owned())));
        let large = format!("1,{{}}\n2,{}\n3,{{}}\n", "x".repeat(50_000));
        let found = rows("RecordId,AuditData", &large, 1000);
        assert_eq!(found.iter().map(|(_, text)| text.is_ok()).collect::<Vec<_>>(), [true, false, true]);
    }
}
