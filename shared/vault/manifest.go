package vault

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// FormatVersion is the version of manifest.json and backup.json that this package writes, and the newest that it reads.
const FormatVersion = 1

// Status is how a backup ended.
type Status string

const (
	// Complete means that everything the API lists is stored and verified.
	Complete Status = "COMPLETE"
	// Partial means that some assets could not be read; the manifest says which, and there is no backup.json.
	Partial Status = "PARTIAL"
	// Failed means that there is no manifest.
	Failed Status = "FAILED"
)

// Workspace names a DataArts Studio workspace.
type Workspace struct {
	ID   string `json:"id"`
	Name string `json:"name"` // empty where no instance id is configured to look it up
}

// Manifest is manifest.json: what is in a dated folder, and the proof of it.
type Manifest struct {
	FormatVersion int                `json:"formatVersion"`
	BackupDate    string             `json:"backupDate"` // yyyy-MM-dd
	Workspace     Workspace          `json:"workspace"`
	ProjectID     string             `json:"projectId"`
	Region        string             `json:"region"`
	Tool          string             `json:"tool"` // name and version of what wrote it
	StartedAt     time.Time          `json:"startedAt"`
	FinishedAt    time.Time          `json:"finishedAt"`
	Status        Status             `json:"status"`
	Totals        map[asset.Kind]int `json:"totals"` // what the API said it has
	Counts        map[asset.Kind]int `json:"counts"` // what is stored
	Drift         []Drift            `json:"drift"`
	Missing       []Missing          `json:"missing"`
	Unsupported   []Unsupported      `json:"unsupported,omitempty"`
	Previous      *Previous          `json:"previous"`
	// Singly are the classes of assets of which lists or exports were seen to leave something out: they are read one by one.
	Singly []Single `json:"singly,omitempty"`
	// Recipients are the age public keys that assets and files are encrypted to, in ascending order; none where they are plain.
	Recipients []string `json:"recipients,omitempty"`
	// Files are copies that belong to no asset here: what a restore saved of files before it put others in their place. A nightly backup has none.
	Files  []File  `json:"files,omitempty"`
	Assets []Asset `json:"assets"`
}

// copies are all copied files: those of the assets, and those that belong to none.
func (m *Manifest) copies() iter.Seq[File] {
	return func(yield func(File) bool) {
		for _, a := range m.Assets {
			for _, f := range a.Files {
				if f.Key != "" && !yield(f) {
					return
				}
			}
		}
		for _, f := range m.Files {
			if f.Key != "" && !yield(f) {
				return
			}
		}
	}
}

// Asset is one asset in a manifest.
type Asset struct {
	Kind          asset.Kind `json:"kind"`
	Name          string     `json:"name"`
	Directory     string     `json:"directory,omitempty"`
	Key           string     `json:"key"`                     // relative to the dated folder; ends in .age where the asset is encrypted
	Size          int64      `json:"size"`                    // bytes stored
	SHA256        string     `json:"sha256"`                  // of the bytes stored
	ContentSHA256 string     `json:"contentSha256,omitempty"` // of the plain bytes; none where they are encrypted, because it would prove a guess at them
	Owner         string     `json:"owner,omitempty"`
	LastModified  *time.Time `json:"lastModified,omitempty"`
	// LastModifiedBy is the user who changed the asset last, where the listing says it.
	LastModifiedBy string `json:"lastModifiedBy,omitempty"`
	Files          []File `json:"files,omitempty"`
}

// Ref names the asset.
func (a Asset) Ref() asset.Ref {
	return asset.Ref{Kind: a.Kind, Name: a.Name, Directory: a.Directory}
}

// File is one file that a resource points to. Either Key is set, and the rest describes the copy, or Reason says why there is none.
type File struct {
	Location      string     `json:"location"` // as in the resource's definition
	Key           string     `json:"key,omitempty"`
	Size          int64      `json:"size"`
	SHA256        string     `json:"sha256,omitempty"`
	ContentSHA256 string     `json:"contentSha256,omitempty"`
	LastModified  *time.Time `json:"lastModified,omitempty"` // of the source
	// SourceETag is the ETag that the source had when it was copied: while it has it still, the next backup copies from this one.
	SourceETag string `json:"sourceETag,omitempty"`
	// ETag is that of the copy when SHA256 was taken. An MD5 that is the same still tells that the copy is, too.
	ETag   string `json:"etag,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Drift is an asset that was seen to change while the backup ran.
type Drift struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Change    string     `json:"change"` // changed, appeared or vanished
}

// Missing is what could not be read: one asset, or, without a name, so many of a kind.
type Missing struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name,omitempty"`
	Directory string     `json:"directory,omitempty"`
	Count     int        `json:"count,omitempty"`
	Reason    string     `json:"reason"`
}

// Unsupported is a kind that the service does not offer in this region, so that there is nothing to back up.
type Unsupported struct {
	Kind   asset.Kind `json:"kind"`
	Reason string     `json:"reason"`
}

// Single is a class of assets that is read one by one: a kind, a script type ("scripts/Shell") or a node type ("jobs/HiveSQL").
type Single struct {
	Class string    `json:"class"`
	Field string    `json:"field"` // that a list or an export left out, or had otherwise
	Since time.Time `json:"since"` // when that was seen last
}

// Previous names the manifest of the backup before this one, so that a vanished or altered day shows.
type Previous struct {
	Path   string `json:"path"` // obs:// path of its manifest.json
	SHA256 string `json:"sha256"`
}

// Sort brings the assets into manifest order: by kind in restore order, then by key.
func (m *Manifest) Sort() {
	slices.SortFunc(m.Assets, func(a, b Asset) int {
		return cmp.Or(slices.Index(asset.Kinds(), a.Kind)-slices.Index(asset.Kinds(), b.Kind),
			cmp.Compare(a.Key, b.Key))
	})
}

// encode returns the manifest as it is stored: assets in restore order, one a line, so that two days can be compared by eye.
func (m *Manifest) encode() ([]byte, error) {
	m.Sort()
	if m.Drift == nil {
		m.Drift = []Drift{}
	}
	if m.Missing == nil {
		m.Missing = []Missing{}
	}
	assets := m.Assets
	head := *m
	head.Assets = []Asset{}
	text, err := encodeJSON(head, "  ")
	if err != nil {
		return nil, err
	}
	empty := []byte(`"assets": []`)
	at := bytes.LastIndex(text, empty) + len(empty) - 1
	// The largest manifest has 10 MB: it is written once, in place.
	var out bytes.Buffer
	out.Grow(len(text) + len(assets)*lineSize)
	out.Write(text[:at])
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	for i, a := range assets {
		out.WriteString("\n    ")
		if err := lines.Encode(a); err != nil {
			return nil, err
		}
		out.Truncate(out.Len() - 1) // the line end
		if i < len(assets)-1 {
			out.WriteByte(',')
		}
	}
	if len(assets) > 0 {
		out.WriteString("\n  ")
	}
	out.Write(text[at:])
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// lineSize is about how many bytes an asset takes in a manifest.
const lineSize = 448

func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	err := json.Unmarshal(data, &m)
	if version, newer := newerFormat(data); newer { // its fields may be of other types, too
		return nil, unsupportedError(version)
	}
	if err != nil {
		return nil, err
	}
	if m.FormatVersion < 1 {
		return nil, fmt.Errorf("formatVersion is %d, want 1 to %d", m.FormatVersion, FormatVersion)
	}
	if err := m.checkKeys(); err != nil {
		return nil, err
	}
	return &m, nil
}

// newerFormat tells whether a manifest.json or backup.json says that it is of a format that this version does not know yet.
func newerFormat(text []byte) (version int, newer bool) {
	value, ok := rawjson.Path(text, "formatVersion")
	if !ok || rawjson.Check(text) != nil {
		return 0, false
	}
	version, err := strconv.Atoi(string(value))
	return version, err == nil && version > FormatVersion
}

// unsupportedError is [ErrUnsupported] for a format of this version. It is [ErrMalformed] as well: what cannot be understood proves nothing, whatever the reason.
type unsupportedError int

func (e unsupportedError) Error() string {
	return fmt.Sprintf("formatVersion is %d, this version of DataArts Backup reads 1 to %d: use the version that wrote it, or a newer one", int(e), FormatVersion)
}

func (e unsupportedError) Is(target error) bool {
	return target == ErrUnsupported || target == ErrMalformed
}

// encodeJSON is JSON for people: no HTML escapes, indented where indent is given, no line end.
func encodeJSON(v any, indent string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Hash is the hash that manifests use: lower-case hex SHA-256.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
