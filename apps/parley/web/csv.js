// Reads tables as CSV (RFC 4180), as the server writes them.

/** The rows as objects by the names of the columns, which come first. */
export function parseCsv(text) {
  const [head = [], ...lines] = cells(text);
  return { head, rows: lines.map((line) => Object.fromEntries(head.map((name, index) => [name, bare(line[index] ?? "")]))) };
}

function cells(text) {
  const lines = [];
  let line = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (end === "" && !line.length && !plain && quoted === undefined) break;
    line.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    lines.push(line);
    line = [];
  }
  return lines;
}

/** Without the mark that keeps a spreadsheet from computing the cell. */
const bare = (cell) => cell.replace(/^'(?=[=+\-@\t\r\n＝＋－＠])/u, "");
