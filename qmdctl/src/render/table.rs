//! Columns of text.

use unicode_width::UnicodeWidthStr;

use super::text::BOLD;

/// Space between two columns.
const GAP: &str = "  ";

/// A heading and rows, each column as wide as its widest cell. Cells hold no styles.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    aligned(heading, [false; N], rows)
}

/// The same, with the cells of some columns at their right ends, as numbers are.
pub(super) fn aligned<const N: usize>(
    heading: [&str; N],
    right: [bool; N],
    rows: &[[String; N]],
) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].width())
            .fold(heading[column].width(), usize::max)
    });
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .zip(right)
            .map(|((cell, width), right)| {
                let blanks = " ".repeat(width - cell.width());
                if right {
                    format!("{blanks}{cell}")
                } else {
                    format!("{cell}{blanks}")
                }
            });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let mut text = format!("{BOLD}{}{BOLD:#}\n", line(heading));
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = [["東京".into(), "1".into()], ["notes".into(), String::new()]];
        let text = table(["NAME", "N"], &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "NAME   N\n東京   1\nnotes\n");
    }

    #[test]
    fn numbers_end_at_the_right() {
        let rows = [["9 B".into(), "a".into()], ["10.5 KiB".into(), "b".into()]];
        let text = aligned(["SIZE", "N"], [true, false], &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "    SIZE  N\n     9 B  a\n10.5 KiB  b\n");
    }
}
