package bundle

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// Sizes of the records of a zip, without the names in them.
const (
	headerSize    = 30
	directorySize = 46
	endSize       = 22
)

// utf8Names is the flag of an entry whose name is UTF-8.
const utf8Names = 0x800

// firstDay is the oldest date that a zip can hold, 1980-01-01, in its own encoding. Every file has it.
const firstDay = 1<<5 | 1

// file is a definition on its way into a zip.
type file struct {
	member member
	left   error // why it shall not be packed; then the rest is empty
	size   int   // bytes unpacked
	sum    uint32
	packed []byte // deflated
}

func compress(m member, text []byte) (file, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return file{}, fmt.Errorf("compress %s: %w", m.ref, err)
	}
	return file{member: m, size: len(text), sum: crc32.ChecksumIEEE(text), packed: out.Bytes()}, nil
}

// archive is a zip that is being filled.
type archive struct {
	files            []file
	paths            []string
	taken            map[string]bool
	unpacked, packed int // bytes, the latter without the end record
}

// fits tells whether the zip, with these files, keeps within a limit.
func (a *archive) fits(files []file, limit int) bool {
	unpacked, packed := a.unpacked, a.packed+endSize
	for _, f := range files {
		// The longest path that the file can come to have.
		longest := max(len(path(f.member)), len(apart(f.member)))
		unpacked += f.size
		packed += headerSize + directorySize + 2*longest + len(f.packed)
	}
	return unpacked <= limit && packed <= limit
}

func (a *archive) add(files []file) {
	if a.taken == nil {
		a.taken = map[string]bool{}
	}
	for _, f := range files {
		name := path(f.member)
		if a.taken[name] {
			name = apart(f.member)
		}
		a.taken[name] = true
		a.files, a.paths = append(a.files, f), append(a.paths, name)
		a.unpacked += f.size
		a.packed += headerSize + directorySize + 2*len(name) + len(f.packed)
	}
}

// bytes is the zip. Sizes and checksums stand before the data, so that it can be read from front to back.
func (a *archive) bytes() ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, f := range a.files {
		header := &zip.FileHeader{Name: a.paths[i], Method: zip.Deflate, CRC32: f.sum,
			CompressedSize64: uint64(len(f.packed)), UncompressedSize64: uint64(f.size),
			ModifiedDate: firstDay} //nolint:staticcheck // the other field for it adds a second, larger date
		if strings.IndexFunc(a.paths[i], func(c rune) bool { return c >= utf8.RuneSelf }) >= 0 {
			header.Flags |= utf8Names
		}
		entry, err := w.CreateRaw(header)
		if err == nil {
			_, err = entry.Write(f.packed)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.member.ref, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

// path is where a file lies in a zip.
func path(m member) string {
	name := escape(m.ref.Name)
	switch m.ref.Kind {
	case asset.Resources:
		return "resources/" + name + ".resource"
	case asset.Scripts:
		if m.job != "" {
			return "jobs/" + escape(m.job) + "/" + name + ".script"
		}
		return "scripts/" + name + ".script"
	}
	return "jobs/" + name + "/" + name + ".job"
}

// apart is where a resource lies that has the name of another one in another directory. No two resources have it in common.
func apart(m member) string {
	if m.ref.Kind != asset.Resources {
		return path(m)
	}
	return "resources/" + escape(strings.TrimPrefix(m.ref.Directory, "/")) + "/" + escape(m.ref.Name) + ".resource"
}

// escape makes a name a segment of a path: as it is, as DataArts' own exports have it, but for what would be none or is not allowed in file names
// somewhere, and for what would be read back as another name. That is percent-encoded, byte by byte. No two names give one segment.
func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		edge := (i == 0 || i+size == len(name)) && (r == '.' || r == ' ')
		if edge || strings.ContainsRune(`/\%:*?"<>|`, r) || (r == utf8.RuneError && size == 1) || unicode.IsControl(r) || (unicode.IsSpace(r) && r != ' ') {
			for _, c := range []byte(name[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}
