package page

import "html/template"

// BackupView is a backup opened: its facts and its assets.
type BackupView struct {
	Head
	Backup       Backup
	Facts        []Fact
	CanVerify    bool
	Proved       bool // there is a manifest that speaks for it
	Missing      []string
	Drift        []string
	DocumentLink string
	LiveLink     string
	BeforeLink   string
	ExportLink   string // of the assets that are shown
	RestoreForm  RestoreForm

	Query        string
	Kinds        []Link
	Assets       []AssetRow
	Total        int // of the assets that fit
	Fault        string
	Newest, Next string
}

func (BackupView) template() string { return "backup" }

// Form is what the restore dialog of the view offers.
func (v BackupView) Form() RestoreForm { return v.RestoreForm }

// AssetRow is one asset in a list.
type AssetRow struct {
	Kind, Name, Directory, Owner, Size, Href string
	Changed                                  Moment
}

// AssetView is one asset of a backup: its content, its graph or its history.
type AssetView struct {
	Head
	BackupName, BackupLink, BackupPath string
	Status                             string // of the backup
	Kind, Name                         string
	Facts                              []Fact
	Tabs                               []Link
	Shown                              string // what is shown; the heading of it
	RevealLink, RawLink                string
	Restorable                         bool
	RestoreForm                        RestoreForm
	Fault, Note                        string

	Language   string        // of the text
	Text       template.HTML // a script's text; see Highlight
	Definition template.HTML // see Highlight

	Picture template.HTML // see Picture
	Edges   []string

	History      []HistoryRow
	Newest, Next string
}

func (AssetView) template() string { return "asset" }

// Form is what the restore dialog of the view offers.
func (v AssetView) Form() RestoreForm { return v.RestoreForm }

// HistoryRow is one backup in the history of an asset.
type HistoryRow struct {
	Backup, Href, Change, By, Reason, DiffLink string
	At                                         Moment
}

// DocumentView is backup.json, to be edited.
type DocumentView struct {
	Head
	BackupName, BackupLink string
	API                    string // of the document, relative to the page
	ETag                   string
	Text                   string
	Fault                  string
}

func (DocumentView) template() string { return "document" }
