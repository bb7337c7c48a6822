//! Audit exports of the Purview portal and of `Export-Csv`: rows whose column `AuditData` holds the record.
//!
//! `csv-core` and not `csv`, which would hold a whole row however long: one quotation mark too many makes the rest of the
//! file a row.

use csv_core::{ReadFieldResult, ReaderBuilder};

use super::found::{Found, Place, Problem, Text, line_ends};

/// The column that holds the record.
const AUDIT_DATA: &[u8] = b"AuditData";

/// The longest name of a column that is looked at, in bytes.
const MAX_NAME: usize = 1 << 10;

/// A resumable reader of the rows below a header.
#[derive(Debug)]
pub(super) struct ExportReader {
    fields: Fields,
    /// The index of the column that holds the record.
    column: usize,
    /// The number of the current line.
    line: u64,
    row: Option<Row>,
    cell: Text,
}

/// The row that is being read.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The line where it begins.
    line: u64,
    /// The index of the current column.
    column: usize,
}

impl ExportReader {
    /// A reader of what follows the line `header`, where `line` begins. It takes cells up to `limit` bytes. `None` if no
    /// column is named `AuditData`, whatever separates the columns: Excel writes semicolons where the comma is the decimal
    /// mark, and tabs in "Unicode text".
    pub(super) fn with_header(header: &[u8], line: u64, limit: usize) -> Option<Self> {
        b",;\t".iter().find_map(|delimiter| {
            let mut fields = Fields::separated_by(*delimiter);
            let column = fields.position_of_audit_data(header)?;
            Some(Self { fields, column, line, row: None, cell: Text::new(limit) })
        })
    }

    /// Reads the next piece of input.
    pub(super) fn feed(&mut self, mut input: &[u8], found: &mut dyn FnMut(Found)) {
        loop {
            if self.row.is_none() {
                let at = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
                input = self.advance(input, at);
                self.row = (!input.is_empty()).then_some(Row { line: self.line, column: 0 });
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
        let Some(Row { line, column }) = &mut self.row else { return 0 };
        let place = Place::Line(*line);
        let (consumed, end) = self.fields.next(input, (*column == self.column).then_some(&mut self.cell));
        match end {
            None => {}
            Some(End::Field) => *column += 1,
            Some(End::Row) if *column < self.column => {
                found(Found::bad(place, Problem::NoCell));
                self.row = None;
            }
            Some(End::Row) => {
                self.row = None;
                // Exports that were put together have more than one header.
                if is_audit_data(self.cell.as_bytes()) {
                    drop(self.cell.take());
                } else {
                    found(Found { place, text: self.cell.take() });
                }
            }
        }
        consumed
    }
}

fn is_audit_data(name: &[u8]) -> bool {
    name.trim_ascii().eq_ignore_ascii_case(AUDIT_DATA)
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

    /// Consumes at most the rest of a field, whose text goes to `text`. No input means its end. Returns how many bytes were
    /// consumed, and what ends there.
    fn next(&mut self, input: &[u8], text: Option<&mut Text>) -> (usize, Option<End>) {
        let (result, consumed, written) = self.core.read_field(input, &mut self.buffer);
        if let Some(text) = text {
            text.push(self.buffer.get(..written).unwrap_or_default());
        }
        let end = match result {
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => None,
            ReadFieldResult::Field { record_end: false } => Some(End::Field),
            ReadFieldResult::Field { record_end: true } | ReadFieldResult::End => Some(End::Row),
        };
        (consumed, end)
    }

    /// The index of the column that holds the record.
    fn position_of_audit_data(&mut self, header: &[u8]) -> Option<usize> {
        let line = [header.trim_ascii(), b"\n"].concat();
        let (mut rest, mut index, mut name) = (line.as_slice(), 0, Text::new(MAX_NAME));
        let mut position = None;
        while !rest.is_empty() {
            let (consumed, end) = self.next(rest, Some(&mut name));
            rest = rest.get(consumed..).unwrap_or_default();
            if end.is_some() {
                if position.is_none() && is_audit_data(name.as_bytes()) {
                    position = Some(index);
                }
                index += 1;
                name = Text::new(MAX_NAME);
            }
        }
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found below a header: the line, and the text or why there is none.
    fn rows(header: &str, rows: &str, cut: usize) -> Vec<(Place, Result<String, String>)> {
        let mut reader = ExportReader::with_header(header.as_bytes(), 2, 100).unwrap();
        let mut all = Vec::new();
        let mut found = |Found { place, text }| {
            let text =
                text.map(|text| String::from_utf8(text.to_vec()).unwrap()).map_err(|problem| problem.to_string());
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
        for header in ["RecordId,Audit,UserId", "", "AuditData2", "\"AuditData,UserId"] {
            assert!(ExportReader::with_header(header.as_bytes(), 2, 100).is_none(), "{header}");
        }
    }

    #[test]
    fn rows_have_the_line_where_they_begin_wherever_the_input_is_cut() {
        let text = "1,\"{\n\n}\"\r\n\r\n2\n\"3\n\",{}\n4,\"\"\nRecordId,AuditData\n5,{},more,and more\n6,{";
        let expected = [
            (2, Ok("{\n\n}")),
            (6, Err("the row has no column AuditData")),
            (7, Ok("{}")),
            (9, Ok("")),
            (11, Ok("{}")),
            (12, Ok("{")),
        ];
        let expected = expected.map(|(line, text)| (Place::Line(line), text.map(str::to_owned).map_err(str::to_owned)));
        for cut in [1, 2, 3, 7, 1000] {
            assert_eq!(rows("RecordId,AuditData", text, cut), expected, "cut into {cut}");
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
