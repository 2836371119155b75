//! Columns of text.

use unicode_width::UnicodeWidthStr;

use super::text::BOLD;

/// Space between two columns.
const GAP: &str = "  ";

/// A heading and rows, each column as wide as its widest cell. Cells hold no styles.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].width())
            .fold(heading[column].width(), usize::max)
    });
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
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
}
