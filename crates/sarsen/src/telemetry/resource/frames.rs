//! Return addresses from the copy of a stack, by the tables that the compiler left for unwinding; and lines for addresses.
//!
//! Nothing here follows a pointer: what is not in the copy is not read, and a frame that leads nowhere ends the walk.

use super::site::Copied;
use framehop::{
    CacheNative, ExplicitModuleSectionInfo, MayAllocateDuringUnwind, Module, UnwindRegsNative, Unwinder, UnwinderNative,
};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Frames of one stack; the application's are near its top.
const MOST_FRAMES: usize = 128;
/// The largest table that is read.
const MOST_TABLE: u64 = 256 << 20;

/// The tables of the program and of its libraries, read when the first stack is followed.
#[derive(Default)]
pub(super) struct Frames(Option<(Tables, CacheNative<MayAllocateDuringUnwind>)>);

type Tables = UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>;

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frames")
    }
}

impl Frames {
    /// Where the thread was, and the addresses it was to return to, innermost first.
    pub(super) fn of(&mut self, copied: &Copied) -> Vec<usize> {
        let (unwinder, cache) = self.0.get_or_insert_with(|| (modules(), CacheNative::new()));
        let [at, top, frame, link] = copied.registers;
        let mut word = |address: u64| {
            let offset = address.checked_sub(top).filter(|offset| offset % 8 == 0).ok_or(())?;
            usize::try_from(offset / 8).ok().and_then(|place| copied.words.get(place)).copied().ok_or(())
        };
        let mut frames = Vec::new();
        let mut walk = unwinder.iter_frames(at, registers(at, top, frame, link), cache, &mut word);
        while let Ok(Some(frame)) = walk.next() {
            frames.extend(usize::try_from(frame.address()));
            if frames.len() >= MOST_FRAMES {
                break;
            }
        }
        frames
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(at: u64, top: u64, frame: u64, _: u64) -> UnwindRegsNative {
    UnwindRegsNative::new(at, top, frame)
}

#[cfg(target_arch = "aarch64")]
fn registers(_: u64, top: u64, frame: u64, link: u64) -> UnwindRegsNative {
    UnwindRegsNative::new(link, top, frame)
}

/// What is mapped from files that hold code.
fn modules() -> Tables {
    let mut unwinder = UnwinderNative::new();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (path, range) in files(&maps) {
        if let Some(module) = module(&path, range) {
            unwinder.add_module(module);
        }
    }
    unwinder
}

/// The files of `/proc/self/maps` of which a part may be run, and where each lies.
///
/// No other file may be touched: whoever opens and closes the file of a database, which is mapped too, takes away all locks
/// that this process has on it, and then other processes write to it at the same time.
fn files(maps: &str) -> BTreeMap<String, Range<u64>> {
    let (mut files, mut with_code) = (BTreeMap::new(), HashSet::new());
    for (path, rights, start, end) in maps.lines().filter_map(mapping) {
        let range = files.entry(path.to_owned()).or_insert(start..end);
        *range = range.start.min(start)..range.end.max(end);
        if rights.contains('x') {
            with_code.insert(path);
        }
    }
    files.retain(|path, _| with_code.contains(path.as_str()));
    files
}

/// Path, rights, start and end, of a line that names a file.
fn mapping(line: &str) -> Option<(&str, &str, u64, u64)> {
    let (bounds, rest) = line.split_once(' ')?;
    let address = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = bounds.split_once('-')?;
    Some((&rest[rest.find('/')?..], rest.split(' ').next()?, address(start)?, address(end)?))
}

/// The tables of one file; a program that was replaced on disk is read from where the kernel keeps it.
fn module(path: &str, range: Range<u64>) -> Option<Module<Vec<u8>>> {
    let file = match path.strip_suffix(" (deleted)") {
        Some(_) => File::open("/proc/self/exe"),
        None => File::open(path),
    };
    let object = Object::open(file.ok()?)?;
    let (hdr_svma, hdr) = object.section(b".eh_frame_hdr")?;
    let (svma, data) = object.section(b".eh_frame")?;
    let sections = ExplicitModuleSectionInfo {
        base_svma: if object.is_fixed { range.start } else { 0 },
        text_svma: object.range(b".text"),
        eh_frame_svma: Some(svma),
        eh_frame: Some(data),
        eh_frame_hdr_svma: Some(hdr_svma),
        eh_frame_hdr: Some(hdr),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(path.to_owned(), range.clone(), range.start, sections))
}

/// The sections of an ELF file of 64 bits in the byte order of this machine.
struct Object {
    file: File,
    is_fixed: bool,
    /// Name, address, place in the file and size.
    sections: Vec<(Vec<u8>, u64, u64, u64)>,
}

impl Object {
    fn open(file: File) -> Option<Self> {
        let head = read(&file, 0, 64)?;
        if !head.starts_with(b"\x7fELF\x02") {
            return None;
        }
        let (at, size, count) = (number(&head, 0x28, 8)?, number(&head, 0x3a, 2)?, number(&head, 0x3c, 2)?);
        let table = read(&file, at, size * count)?;
        let entry = |which: u64| table.get(usize::try_from(which * size).ok()?..);
        let place = |entry: &[u8]| Some((number(entry, 0x10, 8)?, number(entry, 0x18, 8)?, number(entry, 0x20, 8)?));
        let (_, names, names_size) = place(entry(number(&head, 0x3e, 2)?)?)?;
        let names = read(&file, names, names_size)?;
        let section = |which: u64| {
            let entry = entry(which)?;
            let name = names.get(usize::try_from(number(entry, 0, 4)?).ok()?..)?.split(|byte| *byte == 0).next()?;
            let (address, offset, size) = place(entry)?;
            Some((name.to_vec(), address, offset, size))
        };
        let sections = (0..count).filter_map(section).collect();
        Some(Self { is_fixed: number(&head, 0x10, 2)? == 2, sections, file })
    }

    fn find(&self, name: &[u8]) -> Option<&(Vec<u8>, u64, u64, u64)> {
        self.sections.iter().find(|(known, ..)| known == name)
    }

    fn range(&self, name: &[u8]) -> Option<Range<u64>> {
        self.find(name).map(|(_, address, _, size)| *address..*address + *size)
    }

    fn section(&self, name: &[u8]) -> Option<(Range<u64>, Vec<u8>)> {
        let (_, _, offset, size) = self.find(name)?;
        Some((self.range(name)?, read(&self.file, *offset, *size)?))
    }
}

fn read(file: &File, at: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).ok().filter(|_| size <= MOST_TABLE)?];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut number = [0; 8];
    number.get_mut(..size)?.copy_from_slice(bytes.get(at..at + size)?);
    Some(u64::from_le_bytes(number))
}

/// Each line of code that an address belongs to: of the function that was inlined innermost first.
pub(super) fn each_line(address: usize, mut give: impl FnMut(&str, u32)) {
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        if let (Some(file), Some(line)) = (symbol.filename().and_then(|file| file.to_str()), symbol.lineno()) {
            give(file, line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_from_their_first_byte_to_their_last() {
        let maps = "5555-5600 r--p 00000000 fe:00 42   /opt/my app/parley\n5600-5700 r-xp 00001000 fe:00 42   /opt/my app/parley\n\
                    7f00-7f10 rw-p 00000000 00:00 0\n7f20-7f30 r-xp 00000000 fe:00 7   /lib/libc.so.6\n\
                    7f40-7f50 r--s 00000000 fe:00 8   /srv/app.db\n7f60-7f70 rw-s 00000000 fe:00 9   /srv/app.db-shm\nff00-ff10 r-xp 0 00:00 0 [vdso]\n";
        let files: Vec<_> = files(maps).into_iter().collect();
        assert_eq!(
            files,
            [("/lib/libc.so.6".to_owned(), 0x7f20..0x7f30), ("/opt/my app/parley".to_owned(), 0x5555..0x5700)]
        );
    }

    #[test]
    fn a_file_that_is_no_program_has_no_tables() {
        assert!(module(file!(), 0..1).is_none() && module("/dev/null", 0..1).is_none());
        assert!(module("/proc/self/exe", 0..1).is_some());
    }

    #[test]
    fn a_copy_that_leads_nowhere_ends_the_walk() {
        let mut frames = Frames::default();
        assert!(frames.of(&Copied { registers: [7, 8, 9, 0], words: vec![u64::MAX; 100] }).len() <= MOST_FRAMES);
        assert!(frames.of(&Copied { registers: [0; 4], words: Vec::new() }).len() <= 1);
    }
}
