package page

import "slices"

// Link is a link to a view.
type Link struct {
	Text, Href string
	Current    bool
}

// Field is a hidden parameter of a search form, which keeps where the user is.
type Field struct{ Name, Value string }

// Head is what every view has.
type Head struct {
	Title      string // of the view; the first heading
	Version    string // of the program
	Location   string // obs:// path of the backups
	Workspace  string // empty where the location is not kept by workspace
	Workspaces []Link
	Folder     string // below the location, whose backups are shown; empty for the location itself
	Languages  []Link
	Links      Links
	Fields     []Field // of the view's own address
	// Live is set while something is under way, so that the page asks again and again.
	Live bool
}

// Home is the address of the first view.
func (h Head) Home() string { return h.Links.To() }

// Main is the first view: the backups and the restorations.
type Main struct {
	Head
	Restoring bool // the tab of the restorations is the one in front

	Schedule Schedule
	Calendar []Day
	Today    string

	Backups      []Backup
	BackupsTotal int
	BackupsFault string
	Newest, Next string // links; empty where there is nothing newer or older
	Choice       []string
	Drills       Drills

	Restorations      []Restoration
	RestorationsTotal int
	RestorationsFault string
	RestorationsNext  string
	Recent            string // link to the newest restorations, where others are shown
}

func (Main) template() string { return "main" }

// Schedule is the daily backup's timer.
type Schedule struct {
	Known      bool
	Enabled    bool
	Fault      string // why it is not known
	Message    string
	Folder     string
	Path       string // where the backups go
	Trigger    string
	Expression string
	Next       Moment
	Elsewhere  string // link to the backups that the timer makes, where others are shown
	CanRun     bool   // a backup by hand can be asked for
}

// Day is one day of the calendar strip.
type Day struct {
	Date, Day, State string // 2026-11-22, 22, COMPLETE
	Month            string // its name where the day is the first shown of its month: "Nov"
	Href             string // of its backup; empty without one
	Verified         bool
	Unseen           bool // nobody has looked into it yet: the state is what the commit says
}

// Backup is one row of the backups. Texts are as they are shown.
type Backup struct {
	Name, Date, Path, Status, Message string
	Href                              string
	Counts                            []Count
	Size, Duration                    string
	Finished                          Moment
	Restorable                        bool
	Verified                          *Verified
	Progress                          *Progress
}

// Count is a number of assets of a kind.
type Count struct {
	Kind  string
	Count int
}

// Verified is the last verification of a backup.
type Verified struct {
	Status  string
	At      Moment
	Message string
}

// Progress is how far something is. Total is 0 where nobody knows.
type Progress struct{ Done, Total int }

// Drills are the last proofs that backups can be restored.
type Drills struct {
	Good, Failed, Fault          string
	GoodFinished, FailedFinished Moment
}

// Restoration is one row of the restorations.
type Restoration struct {
	ID, From, Workspace, Policy, Status, Message string
	Href                                         string
	On, Finished                                 Moment
	Done, Total                                  int
}

// RestoreForm fills the dialog that asks for a restore.
type RestoreForm struct {
	Path       string   // chosen already, or empty
	Paths      []string // to choose from
	Base       string   // obs:// path where browsing begins
	Names      string   // globs, with commas between them
	Directory  string
	Kinds      []string // that are ticked; none: all
	Workspaces []Link
}

// Ticks tells whether a kind is ticked.
func (f RestoreForm) Ticks(kind string) bool {
	return len(f.Kinds) == 0 || slices.Contains(f.Kinds, kind)
}

// Form is what the restore dialog of the first view offers.
func (m Main) Form() RestoreForm {
	f := RestoreForm{Base: m.Base(), Workspaces: m.Workspaces}
	for _, b := range m.Backups {
		if b.Restorable {
			f.Paths = append(f.Paths, b.Path)
		}
	}
	return f
}

// Promised tells whether the daily backup is going to make one of these backups.
func (m Main) Promised() bool {
	return m.Schedule.Known && m.Schedule.Enabled && m.Schedule.Elsewhere == ""
}

// Base is where browsing begins: the location, in which {workspace} is filled in.
func (m Main) Base() string { return m.Location }

// Failure is shown in place of a view that cannot be.
type Failure struct {
	Head
	Message string
}

func (Failure) template() string { return "failure" }

// Fact is one thing that is known about something.
type Fact struct{ Name, Value string }
