package page

// Item is one asset of a report or of a comparison.
type Item struct {
	ID                    string // unique in the view
	Word                  string // what is to be done with it, or what became of it
	Kind, Name, Directory string
	Reason                string
	Changes               []Change
	MoreChanges           int
	Files                 []FileItem
}

// Foldable tells whether there is more of the item than its line.
func (i Item) Foldable() bool { return len(i.Changes) > 0 || len(i.Files) > 0 }

// Change is one field that differs.
type Change struct{ Field, From, To, Diff string }

// FileItem is one file of a resource.
type FileItem struct{ Word, Location, Reason string }

// Problem is something about an asset, or about a workspace where it has no name.
type Problem struct{ Kind, Name, Text string }

// Export is one file that was exported.
type Export struct{ Path, Size string }

// RestoreView is a plan, or the report of a restore.
type RestoreView struct {
	Head
	ID, Status, Message  string
	From, Target, Policy string
	PlanHash, Request    string // the request as JSON; empty where it cannot be applied
	On, Finished         Moment
	Done, Total          int
	Queued               bool
	Undo                 string // how the undo stands
	CanApply, CanUndo    bool
	Problems             []Problem
	Exports              []Export
	Query                string
	Whats                []Link // Href is the value of the choice
	Items                []Item
	Fitting              int // how many items fit what is asked for
	Newest, Next         string
}

func (RestoreView) template() string { return "restore" }

// CompareView says what differs between two states of a workspace.
type CompareView struct {
	Head
	From, To     string
	Fault        string
	Message      string
	Tiles        []Tile
	Turned       string // link to the comparison the other way round
	Query        string
	Kinds        []Link
	Items        []Item
	Total        int
	Newest, Next string
}

func (CompareView) template() string { return "compare" }

// Tile is a number with a link to what it counts.
type Tile struct {
	Word, Href string
	Count      int
	Current    bool
}

// FindView looks for assets over the backups.
type FindView struct {
	Head
	Criteria     []Criterion
	Kinds        []Link
	Asked        bool
	Fault        string
	Searched     string
	Unsearched   []string
	Found        []Found
	Newest, Next string
}

func (FindView) template() string { return "find" }

// Criterion is one field of the search.
type Criterion struct{ Name, Label, Value string }

// Found is one asset that was found.
type Found struct {
	Kind, Name, Href, Span string
	Where                  []string
}
