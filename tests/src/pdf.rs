//! Small PDF files, written by hand.

use std::fmt::Write as _;

/// A document whose pages hold these lines of ASCII, and what it says of itself.
pub fn document(pages: &[&[&str]], info: &[(&str, &str)]) -> Vec<u8> {
    let contents = pages.iter().map(|lines| {
        let mut stream = String::from("BT /F1 12 Tf 14 TL 72 720 Td\n");
        for line in *lines {
            let _ = writeln!(stream, "({}) Tj T*", escaped(line));
        }
        (String::new(), (stream + "ET\n").into_bytes())
    });
    with_contents(contents.collect(), info)
}

/// A document of one page, whose contents are compressed data.
pub fn compressed(data: Vec<u8>) -> Vec<u8> {
    with_contents(vec![("/Filter /FlateDecode".to_owned(), data)], &[])
}

fn with_contents(contents: Vec<(String, Vec<u8>)>, info: &[(&str, &str)]) -> Vec<u8> {
    // 1 is the catalogue, 2 the pages, 3 the font, 4 the information; then each page and its contents.
    let count = contents.len();
    let kids: Vec<String> = (0..count)
        .map(|page| format!("{} 0 R", 5 + 2 * page))
        .collect();
    let info: Vec<String> = info
        .iter()
        .map(|(key, value)| format!("/{key} ({})", escaped(value)))
        .collect();
    let info = info.join(" ");
    let mut objects: Vec<Vec<u8>> = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Count {count} /Kids [{}] >>",
            kids.join(" ")
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
        format!("<< {info}>>"),
    ]
    .map(String::into_bytes)
    .to_vec();
    for (page, (filter, data)) in contents.into_iter().enumerate() {
        let number = 6 + 2 * page;
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>"
        );
        objects.push(page.into_bytes());
        let mut stream = format!("<< /Length {} {filter} >>\nstream\n", data.len()).into_bytes();
        stream.extend(data);
        stream.extend(b"\nendstream");
        objects.push(stream);
    }
    file(&objects)
}

fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend(format!("{number} 0 obj\n").into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    let size = objects.len() + 1;
    file.extend(
        format!(
            "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R >>\n\
             startxref\n{start}\n%%EOF\n"
        )
        .into_bytes(),
    );
    file
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('(', "\\(")
        .replace(')', "\\)")
}
