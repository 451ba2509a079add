//! A block or a head that a scan reads, and its rows once it is open.

use std::ops::ControlFlow;
use std::sync::Arc;

use lucarne_logql::stage::{Fields, Input, Shredding};
use memchr::memmem;

use super::kinds::{Kinds, Notes};
use crate::block::{Block, Class, Rows, Section, Shapes};
use crate::column::{Column, Encoding};
use crate::cursor::Malformed;
use crate::engine::source::{Columns, Entry, Selection, TimeRange};
use crate::head::Head;
use crate::store::BlockMeta;
use crate::stream::Stream;

/// What may have rows for a scan.
pub(super) enum Piece {
    Head {
        stream: Arc<Stream>,
        head: Arc<Head>,
    },
    Block {
        meta: Arc<BlockMeta>,
        /// Its bytes while no vault has it.
        cut: Option<Arc<[u8]>>,
    },
}

impl Piece {
    pub(super) fn stream(&self) -> &Arc<Stream> {
        match self {
            Self::Head { stream, .. } => stream,
            Self::Block { meta, .. } => &meta.stream,
        }
    }

    /// First and last time of its rows.
    pub(super) fn span(&self) -> (i64, i64) {
        match self {
            Self::Head { head, .. } => head.span().unwrap_or((0, 0)),
            Self::Block { meta, .. } => (meta.first_ns, meta.last_ns),
        }
    }

    pub(super) fn content_bytes(&self) -> u64 {
        match self {
            Self::Head { head, .. } => head.content_bytes() as u64,
            Self::Block { meta, .. } => meta.content,
        }
    }

    /// Whether its first or last row is in the range.
    pub(super) fn surely_overlaps(&self, range: TimeRange) -> bool {
        let (first, last) = self.span();
        range.contains(first) || range.contains(last)
    }
}

/// Rows that a scan shows, by time.
pub(super) struct Opened {
    stream: Arc<Stream>,
    content: Content,
    /// The rows, in order of time.
    rows: Vec<u32>,
}

enum Content {
    Head(Arc<Head>),
    Block(Box<OpenBlock>),
}

struct OpenBlock {
    rows: Rows,
    metadata: Vec<(String, Column)>,
    /// All columns of JSON lines by name; those that no stage reads are `None`.
    json: Vec<(String, Option<Column>)>,
    shapes: Option<Shapes>,
    /// Where rows are asked for what stands in columns alone.
    notes: Option<Notes>,
}

impl Opened {
    pub(super) fn head(piece: &Piece, what: &Selection<'_>) -> Option<Self> {
        let Piece::Head { stream, head } = piece else { return None };
        let shown = |&row: &u32| {
            let row = index(row);
            let line = head.line(row);
            what.range.contains(head.time(row))
                && what.literals.iter().all(|needle| line.contains(needle.as_str()))
        };
        let all = head.order().unwrap_or_else(|| (0..count(head.rows())).collect());
        let rows: Vec<u32> = all.into_iter().filter(shown).collect();
        let content = Content::Head(Arc::clone(head));
        (!rows.is_empty()).then(|| Self { stream: Arc::clone(stream), content, rows })
    }

    /// `None` when the block has no row that the scan shows.
    pub(super) fn block(
        meta: &BlockMeta,
        plain: &[u8],
        what: &Selection<'_>,
    ) -> Result<Option<Self>, Malformed> {
        let block = Block::open(plain)?;
        let tested = Tested::of(&block, meta, what)?;
        if tested.as_ref().is_some_and(Tested::is_empty) {
            return Ok(None);
        }
        let Some(rows) = rows(&block, what, tested.as_ref())? else { return Ok(None) };
        let first = rows.times.partition_point(|&time| time < what.range.from_ns);
        let end = rows.times.partition_point(|&time| time < what.range.to_ns);
        let mut shown = lines_with(&rows, first..end, what.literals);
        if let Some(tested) = &tested {
            shown.retain(|&row| tested.keeps(index(row)));
        }
        if shown.is_empty() {
            return Ok(None);
        }
        let mut metadata = Vec::new();
        for section in block.columns(Class::Metadata) {
            metadata.push((section.name.clone(), block.column(section)?));
        }
        let (json, shapes) = fields(&block, what, tested)?;
        let notes = notes(what, &shown, &metadata, &json, shapes.as_ref());
        let content = Content::Block(Box::new(OpenBlock { rows, metadata, json, shapes, notes }));
        Ok(Some(Self { stream: Arc::clone(&meta.stream), content, rows: shown }))
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The time of the n-th row that is shown.
    pub(super) fn time(&self, at: usize) -> i64 {
        let row = self.row(at);
        match &self.content {
            Content::Head(head) => head.time(row),
            Content::Block(block) => block.rows.times.get(row).copied().unwrap_or(0),
        }
    }

    /// Bytes in memory, without the head that the store has anyway.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.rows.len() * 4;
        match &self.content {
            Content::Head(_) => rows,
            Content::Block(block) => rows + block.bytes(),
        }
    }

    /// Shows all rows, in order of time.
    pub(super) fn visit_all(
        &self,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut metadata = Vec::new();
        for at in 0..self.rows.len() {
            self.visit(at, &mut metadata, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// Shows the n-th row.
    pub(super) fn visit<'a>(
        &'a self,
        at: usize,
        metadata: &mut Vec<(&'a str, &'a str)>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let row = self.row(at);
        metadata.clear();
        let stream = &self.stream.labels;
        let stream_id = self.stream.id;
        match &self.content {
            Content::Head(head) => {
                let names = head.names();
                metadata.extend(
                    head.fields(row)
                        .map(|(name, value)| (names.get(name).map_or("", AsRef::as_ref), value)),
                );
                // As a block has it, so that an answer does not depend on when blocks are cut.
                metadata.sort_unstable();
                let (line, time_ns) = (head.line(row), head.time(row));
                visit(&Entry {
                    stream,
                    stream_id,
                    time_ns,
                    line,
                    metadata,
                    shredded: None,
                    note: None,
                })
            }
            Content::Block(block) => {
                let line = block.rows.line(row);
                metadata.extend(
                    block
                        .metadata
                        .iter()
                        .filter_map(|(name, column)| Some((name.as_str(), column.get(row, "")?))),
                );
                let fields = block.fields(row, line);
                let shredded = fields.as_ref().map(|fields| fields as &dyn Fields);
                let time_ns = block.rows.times.get(row).copied().unwrap_or(0);
                let note = block.notes.as_ref().and_then(|notes| notes.of(at));
                visit(&Entry { stream, stream_id, time_ns, line, metadata, shredded, note })
            }
        }
    }

    fn row(&self, at: usize) -> usize {
        self.rows.get(at).map_or(0, |&row| index(row))
    }
}

impl OpenBlock {
    fn fields<'a>(&'a self, row: usize, line: &'a str) -> Option<RowFields<'a>> {
        let shape = self.shapes.as_ref()?.of_row(row)?;
        Some(RowFields { columns: &self.json, shape, row, line })
    }

    fn bytes(&self) -> usize {
        let metadata: usize = self.metadata.iter().map(|(_, column)| column.bytes()).sum();
        let json: usize =
            self.json.iter().filter_map(|(_, column)| column.as_ref()).map(Column::bytes).sum();
        let notes = self.notes.as_ref().map_or(0, Notes::bytes);
        self.rows.lines.len() + self.rows.times.len() * 12 + metadata + json + notes
    }
}

impl Rows {
    pub(crate) fn line(&self, row: usize) -> &str {
        let start = row.checked_sub(1).and_then(|above| self.line_ends.get(above));
        let end = self.line_ends.get(row).copied().unwrap_or(0);
        self.lines.get(index(start.copied().unwrap_or(0))..index(end)).unwrap_or_default()
    }
}

/// The rows of a block; `None` when its lines are searched, and do not hold what is looked for.
fn rows(
    block: &Block<'_>,
    what: &Selection<'_>,
    tested: Option<&Tested>,
) -> Result<Option<Rows>, Malformed> {
    if can_spare_lines(block, what, tested) {
        return block.bare_rows().map(Some);
    }
    let lines = block.lines()?;
    // Most blocks of a search end here: nothing but the lines is read of them.
    let holds = |needle: &String| memmem::find(&lines, needle.as_bytes()).is_some();
    if !what.literals.iter().all(holds) {
        return Ok(None);
    }
    block.rows_of(lines).map(Some)
}

/// Whether all that is asked for of every row stands in columns.
fn can_spare_lines(block: &Block<'_>, what: &Selection<'_>, tested: Option<&Tested>) -> bool {
    let (Columns::Only(names), Some(tested)) = (what.columns, tested) else { return false };
    let in_lines =
        |section: &Section| section.encoding == Encoding::Place && names.contains(&section.name);
    what.literals.is_empty() && tested.shapes.has_all() && !block.columns(Class::Json).any(in_lines)
}

/// The rows of a range whose lines contain all needles.
fn lines_with(rows: &Rows, range: std::ops::Range<usize>, needles: &[String]) -> Vec<u32> {
    let Some(longest) = needles.iter().max_by_key(|needle| needle.len()) else {
        return range.map(count).collect();
    };
    let finder = memmem::Finder::new(longest.as_bytes());
    let start_of = |row: usize| {
        row.checked_sub(1).and_then(|above| rows.line_ends.get(above)).map_or(0, |&end| index(end))
    };
    let lines = rows.lines.as_bytes();
    let limit = start_of(range.end);
    let mut found = Vec::new();
    let mut at = start_of(range.start);
    while let Some(hit) = lines.get(at..limit).and_then(|rest| finder.find(rest)) {
        let hit = at + hit;
        let row = rows.line_ends.partition_point(|&end| index(end) <= hit);
        let end = start_of(row + 1);
        // Lines lie without a gap, so a hit may begin in one and end in the next.
        if hit + longest.len() > end {
            at = hit + 1;
            continue;
        }
        let line = rows.line(row);
        if row >= range.end || row < range.start {
            break;
        }
        if needles.iter().all(|needle| line.contains(needle.as_str())) {
            found.push(count(row));
        }
        at = end;
    }
    if longest.is_empty() { range.map(count).collect() } else { found }
}

/// All columns of JSON lines by name, those with values that a stage may read, and which row has
/// which of them. What conditions have read is not read again.
type JsonColumns = (Vec<(String, Option<Column>)>, Option<Shapes>);

fn fields(
    block: &Block<'_>,
    what: &Selection<'_>,
    tested: Option<Tested>,
) -> Result<JsonColumns, Malformed> {
    let mut json = Vec::new();
    if what.columns == Columns::None {
        return Ok((json, None));
    }
    let (mut read, shapes) = match tested {
        Some(tested) => (tested.columns, Some(tested.shapes)),
        None => (Vec::new(), None),
    };
    for section in block.columns(Class::Json) {
        let wanted = match what.columns {
            Columns::None => false,
            Columns::Named(names) | Columns::Only(names) => names.contains(&section.name),
            Columns::All => true,
        };
        let at = read.iter().position(|(name, _)| *name == section.name);
        let column = match at {
            Some(at) => read.swap_remove(at).1,
            None if wanted => Some(block.column(section)?),
            None => None,
        };
        json.push((section.name.clone(), column));
    }
    let shapes = match shapes {
        Some(shapes) => shapes,
        None => block.shapes()?,
    };
    Ok((json, Some(shapes)))
}

/// Notes on the rows that are shown, where nothing is asked for but columns of few values.
fn notes(
    what: &Selection<'_>,
    shown: &[u32],
    metadata: &[(String, Column)],
    json: &[(String, Option<Column>)],
    shapes: Option<&Shapes>,
) -> Option<Notes> {
    let (Columns::Only(_), Some(shapes)) = (what.columns, shapes) else { return None };
    let fields = json.iter().filter_map(|(_, column)| column.as_ref());
    let columns = metadata.iter().map(|(_, column)| column).chain(fields);
    let kinds = Kinds::of(shapes, columns, shown.len())?;
    Some(Notes::new(&kinds, shown))
}

/// Conditions of a query, decided on the columns that they are about before anything else of the
/// block is read: most blocks of a search for one value end here.
struct Tested {
    columns: Vec<(String, Option<Column>)>,
    shapes: Shapes,
    kept: Vec<bool>,
}

impl Tested {
    /// `None` when there are no conditions, or a value stands in the lines alone.
    fn of(
        block: &Block<'_>,
        meta: &BlockMeta,
        what: &Selection<'_>,
    ) -> Result<Option<Self>, Malformed> {
        let Some(pipeline) = what.conditions.filter(|_| what.columns != Columns::None) else {
            return Ok(None);
        };
        let mut names: Vec<&str> = pipeline.conditions().collect();
        names.sort_unstable();
        names.dedup();
        let about: Vec<_> = block
            .columns(Class::Json)
            .filter(|section| names.binary_search(&section.name.as_str()).is_ok())
            .collect();
        let in_lines = about.iter().any(|section| section.encoding == Encoding::Place);
        // Without conditions it is only shown whether the lines are needed.
        let spares_lines = matches!(what.columns, Columns::Only(_));
        if (names.is_empty() && !spares_lines) || in_lines {
            return Ok(None);
        }
        let mut columns = Vec::new();
        for section in about {
            columns.push((section.name.clone(), Some(block.column(section)?)));
        }
        let shapes = block.shapes()?;
        // Every row counts as having all metadata of the block: then its name decides nothing.
        let metadata: Vec<(&str, &str)> =
            block.columns(Class::Metadata).map(|section| (section.name.as_str(), "")).collect();
        let mut value = String::new();
        let may_keep = |row: usize| {
            let Some(shape) = shapes.of_row(row) else { return true };
            let fields = RowFields { columns: &columns, shape, row, line: "" };
            let input = Input {
                time_ns: 0,
                line: "",
                stream: &meta.stream.labels,
                metadata: &metadata,
                shredded: Some(&fields),
            };
            pipeline.may_keep(&input, &mut value)
        };
        let read = columns.iter().filter_map(|(_, column)| column.as_ref());
        let kept = match Kinds::of(&shapes, read, block.rows()) {
            Some(kinds) => kinds.decide(block.rows(), may_keep),
            None => (0..block.rows()).map(may_keep).collect(),
        };
        Ok(Some(Self { columns, shapes, kept }))
    }

    fn is_empty(&self) -> bool {
        !self.kept.contains(&true)
    }

    fn keeps(&self, row: usize) -> bool {
        self.kept.get(row).is_none_or(|&kept| kept)
    }
}

/// The fields of one JSON line, out of columns.
struct RowFields<'a> {
    columns: &'a [(String, Option<Column>)],
    shape: &'a [usize],
    row: usize,
    line: &'a str,
}

impl Fields for RowFields<'_> {
    fn shredding(&self) -> Shredding {
        Shredding::Json
    }

    fn get(&self, name: &str, out: &mut String) -> bool {
        let at = self.columns.binary_search_by(|(have, _)| have.as_str().cmp(name)).ok();
        let column = at.and_then(|at| self.columns.get(at)?.1.as_ref());
        let value = column.and_then(|column| column.get(self.row, self.line));
        out.push_str(value.unwrap_or_default());
        value.is_some()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for &at in self.shape {
            let Some((name, Some(column))) = self.columns.get(at) else { continue };
            if let Some(value) = column.get(self.row, self.line) {
                visit(name, value);
            }
        }
    }
}

fn index(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
