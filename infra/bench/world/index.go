package world

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// index shows the jobs and scripts of the workspace as files on a web server, for programs that can copy those: a directory for each page of a
// hundred, a file for each asset. Every request costs what a call of DataArts costs, and counts as one.
type index struct {
	server *server
	calls  atomic.Int64
}

// Index starts the web server and returns its address. It shows the workspace as it is now; each request takes latency.
func (w *World) Index(latency time.Duration) (string, error) {
	const page = 100
	handle := w.DataArts.Workspace(Workspace)
	files := map[string][]byte{}
	links := map[string][]string{}
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts} {
		all := handle.All(kind)
		names := make([]string, 0, len(all))
		for name := range all {
			if !plainName(name) {
				return "", fmt.Errorf("show %s: %q is no name of a file", kind, name)
			}
			names = append(names, name)
		}
		slices.Sort(names)
		for number := 0; len(names) > 0; number++ {
			cut := min(page, len(names))
			directory := fmt.Sprintf("/%s-%03d/", kind, number)
			links["/"] = append(links["/"], directory[1:])
			for _, name := range names[:cut] {
				files[directory+name+ending(kind)] = all[name]
				links[directory] = append(links[directory], name+ending(kind))
			}
			names = names[cut:]
		}
	}
	pages := map[string][]byte{}
	for directory, names := range links {
		var text strings.Builder
		text.WriteString("<html><body>\n")
		for _, name := range names {
			fmt.Fprintf(&text, "<a href=\"%s\">%s</a>\n", name, name)
		}
		text.WriteString("</body></html>\n")
		pages[directory] = []byte(text.String())
	}
	modified := time.Now().UTC().Format(http.TimeFormat)
	shown := &index{}
	var err error
	shown.server, err = serve(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		shown.calls.Add(1)
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
		body, contentType := files[r.URL.Path], "application/json"
		if body == nil {
			body, contentType = pages[r.URL.Path], "text/html"
		}
		if body == nil {
			http.NotFound(out, r)
			return
		}
		out.Header().Set("Content-Type", contentType)
		out.Header().Set("Content-Length", fmt.Sprint(len(body)))
		out.Header().Set("Last-Modified", modified)
		if r.Method != http.MethodHead {
			_, _ = out.Write(body) // the client may have gone
		}
	}))
	if err != nil {
		return "", err
	}
	if w.index != nil {
		_ = w.index.server.http.Close()
	}
	w.index = shown
	return shown.server.url, nil
}
