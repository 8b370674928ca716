package page

import "net/url"

// Links makes links to views. They are relative and have nothing but a query, because a gateway may have put a stage before the path. What is set here goes
// along with each.
type Links struct {
	Language  string // as asked for; empty where the browser's decides
	Workspace string
	Folder    string // below the location, whose backups are shown
}

// To is a link with these parameters, given as pairs of name and value. Pairs without a value are left out.
func (l Links) To(pairs ...string) string {
	query := url.Values{}
	if l.Workspace != "" {
		query.Set("workspace", l.Workspace)
	}
	if l.Folder != "" {
		query.Set("folder", l.Folder)
	}
	if l.Language != "" {
		query.Set("lang", l.Language)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			query.Del(pairs[i])
		} else {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return "?" + query.Encode()
}
