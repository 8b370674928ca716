package chromium

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// T is who hears of what is not as it should be: a *testing.T, or a command. Fatalf does not return.
type T interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
	TempDir() string
	Cleanup(func())
}

// View is how a person looks at the page. Zero fields mean a desk: 1280 by 900, light, English.
type View struct {
	Width, Height int
	Phone         bool // 390 by 844, touched instead of clicked, unless Width and Height say otherwise
	Dark          bool
	Language      string // what the browser asks for, e.g. "zh-CN"
	NoScript      bool
}

// patience is how long a Tab waits for something to be seen, and soon for one answer of the browser while it asks again and again: where a page gives way to the
// next, some questions are never answered.
const (
	patience = 20 * time.Second
	soon     = 2 * time.Second
)

// Tab is one tab of a browser, with cookies of its own. It is used by one goroutine. Its methods fail the test when something cannot be done, and wait until it can.
type Tab struct {
	Area
	t         T
	ctx       context.Context
	view      View
	downloads string
	limit     time.Duration // for one answer of the browser
	revived   int           // how often the page was opened again because the browser had crashed over it

	mu       sync.Mutex
	host     string // the only one that the page may ask
	faults   []string
	requests map[network.RequestID]*Request
	order    []*Request
	files    map[string]string // of downloads: suggested name by id
	saved    []string
	inflight int
	crashed  bool
}

// Request is one request of the page.
type Request struct {
	Method, URL string
	Type        string // "Document", "Script", "Stylesheet", "Fetch"...
	Status      int
	Bytes       int // that came over the wire, headers included
	Done        bool
}

// Open opens an empty tab, which is closed when t ends.
func (b *Browser) Open(t T, view View) *Tab {
	t.Helper()
	if view.Width == 0 {
		view.Width, view.Height = 1280, 900
		if view.Phone {
			view.Width, view.Height = 390, 844
		}
	}
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	tab := &Tab{t: t, ctx: ctx, view: view, downloads: t.TempDir(), limit: patience, requests: map[network.RequestID]*Request{}, files: map[string]string{}}
	tab.Area = Area{tab: tab}
	if err := tab.prepare(); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return tab
}

// watch runs in every document before its own script. What script may not be allowed to tell otherwise is told by the console.
const watch = `(() => {
	globalThis.longTasks = [];
	new PerformanceObserver(list => { for (const task of list.getEntries()) longTasks.push(task.duration) }).observe({type: 'longtask', buffered: true});
	document.addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + ' forbids ' + (e.blockedURI || e.sample)));
})()`

func (tab *Tab) prepare() error {
	if err := chromedp.Do(tab.ctx); err != nil {
		return err
	}
	if err := chromedp.Listen(tab.ctx, tab.heard); err != nil {
		return err
	}
	if err := chromedp.ListenBrowser(tab.ctx, tab.downloading); err != nil {
		return err
	}
	scheme := "light"
	if tab.view.Dark {
		scheme = "dark"
	}
	language := tab.view.Language
	if language == "" {
		language = "en-US"
	}
	return chromedp.Do(tab.ctx,
		command(network.Enable, network.EnableParams{}),
		command(log.Enable, cdp.Empty{}),
		command(inspector.Enable, cdp.Empty{}),
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}),
		command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: tab.view.NoScript}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(tab.view.Width), Height: int64(tab.view.Height), DeviceScaleFactor: 1, Mobile: tab.view.Phone}),
		command(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: tab.view.Phone}),
		command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Shanghai"}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName,
				BrowserContextID: chromedp.FromContext(tab.ctx).BrowserContextID, DownloadPath: tab.downloads, EventsEnabled: new(true)})
			return err
		}),
	)
}

// run asks the tab for something. An answer that does not come, because the page hangs or is gone, is an error.
func run[R any](tab *Tab, action chromedp.Action[R]) (R, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, tab.limit)
	defer cancel()
	return chromedp.Run(ctx, action)
}

func do(tab *Tab, actions ...chromedp.Action[chromedp.Void]) error {
	_, err := run(tab, chromedp.Steps(actions...))
	return err
}

func call[P, R any](tab *Tab, c cdp.Command[P, R], params P) (R, error) {
	return run(tab, func(ctx context.Context, target *chromedp.Target) (R, error) { return cdp.Call(ctx, target, c, params) })
}

// command is a protocol command whose answer says nothing.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

// heard remembers what the tab says. It is called while nothing else can be asked of the tab.
func (tab *Tab) heard(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tab.sent(e)
	case *network.EventResponseReceived:
		if r := tab.requests[e.RequestID]; r != nil {
			r.Status = int(e.Response.Status)
		}
	case *network.EventLoadingFinished:
		if r := tab.requests[e.RequestID]; r != nil && !r.Done {
			r.Bytes, r.Done = int(e.EncodedDataLength), true
			tab.inflight--
		}
	case *network.EventLoadingFailed:
		if r := tab.requests[e.RequestID]; r != nil && !r.Done {
			r.Done = true
			tab.inflight--
			if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" { // a page that is left, and a download, end so
				tab.fault("%s %s failed: %s %s", r.Method, r.URL, e.ErrorText, e.BlockedReason)
			}
		}
	case *log.EventEntryAdded:
		// That an answer has an error status is for the test to want or not; the page shows it.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			tab.fault("console: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var said []string
			for _, argument := range e.Args {
				said = append(said, strings.Trim(string(argument.Value)+argument.Description, `"`))
			}
			tab.fault("console: %s", strings.Join(said, " "))
		}
	case *runtime.EventExceptionThrown:
		tab.fault("uncaught: %v", (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *inspector.EventTargetCrashed:
		tab.crashed = true
	case *page.EventJavascriptDialogOpening:
		tab.fault("a dialog (%s) says %q", e.Type, e.Message)
		go func() { // not from inside the loop that brings the answer
			_, _ = chromedp.Call(tab.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false})
		}()
	}
}

func (tab *Tab) sent(e *network.EventRequestWillBeSent) {
	if strings.HasPrefix(e.Request.URL, "data:") {
		return
	}
	if u, err := url.Parse(e.Request.URL); err != nil || u.Host != tab.host {
		tab.fault("%s is asked for, which is not on %s", e.Request.URL, tab.host)
	}
	if before := tab.requests[e.RequestID]; before != nil { // it was redirected
		before.Done = true
		tab.inflight--
		if e.RedirectResponse != nil {
			before.Status, before.Bytes = int(e.RedirectResponse.Status), int(e.RedirectResponse.EncodedDataLength)
		}
	}
	r := &Request{Method: e.Request.Method, URL: e.Request.URL, Type: string(e.Type)}
	tab.requests[e.RequestID] = r
	tab.order = append(tab.order, r)
	tab.inflight++
}

func (tab *Tab) downloading(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *browser.EventDownloadWillBegin:
		tab.files[e.GUID] = e.SuggestedFilename
	case *browser.EventDownloadProgress:
		if _, ours := tab.files[e.GUID]; ours && e.State == browser.DownloadProgressStateCompleted {
			tab.saved = append(tab.saved, e.GUID)
		}
	}
}

func (tab *Tab) fault(format string, args ...any) {
	tab.faults = append(tab.faults, fmt.Sprintf(format, args...))
}

// Go opens an address and waits until the page and all it asks for is there. Its host is the one that the page may ask from then on.
func (tab *Tab) Go(address string) {
	tab.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tab.t.Fatalf("%v", err)
	}
	tab.mu.Lock()
	tab.host = u.Host
	tab.mu.Unlock()
	tab.limit = 3 * patience // a page may have much to read
	defer func() { tab.limit = patience }()
	if err := do(tab, chromedp.Navigate(address)); err != nil {
		tab.t.Fatalf("open %s: %v", address, err)
	}
	tab.Settle()
}

// Reload opens the page again.
func (tab *Tab) Reload() {
	tab.t.Helper()
	if err := do(tab, chromedp.Reload()); err != nil {
		tab.t.Fatalf("reload: %v", err)
	}
	tab.Settle()
}

// Settle waits until the page is loaded and nothing that it asked for is under way.
func (tab *Tab) Settle() {
	tab.t.Helper()
	tab.until("the page to be loaded", func() (string, error) {
		state := "complete"
		if !tab.view.NoScript {
			var err error
			if state, err = eval[string](tab, "document.readyState"); err != nil {
				return "", err
			}
		}
		tab.mu.Lock()
		defer tab.mu.Unlock()
		if state != "complete" || tab.inflight > 0 {
			return fmt.Sprintf("it is %s, with %d requests under way", state, tab.inflight), nil
		}
		return "", nil
	})
}

// arrived is an error while a page gives way to the next. Its accessibility tree must not be asked for then: Chromium has been seen to crash over that.
func (tab *Tab) arrived() error {
	if !tab.view.NoScript {
		state, err := eval[string](tab, "document.readyState")
		if err != nil {
			return err
		}
		if state != "complete" {
			return fmt.Errorf("the page is %s", state)
		}
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, r := range tab.requests {
		if r.Type == "Document" && !r.Done {
			return fmt.Errorf("%s is under way", r.URL)
		}
	}
	return nil
}

// Address is the path and the query of the page that is shown.
func (tab *Tab) Address() string {
	tab.t.Helper()
	address, err := run(tab, chromedp.Location())
	if err != nil {
		tab.t.Fatalf("ask for the address: %v", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		tab.t.Fatalf("%v", err)
	}
	return u.RequestURI()
}

// Faults is what the page did that no page may do, so far.
func (tab *Tab) Faults() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.faults...)
}

// Requests are the requests so far.
func (tab *Tab) Requests() []Request {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	var all []Request
	for _, r := range tab.order {
		all = append(all, *r)
	}
	return all
}

// Forget empties Requests, so that what follows can be counted.
func (tab *Tab) Forget() {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.order = nil
}

// Bytes is how many bytes came over the wire for Requests.
func (tab *Tab) Bytes() int {
	n := 0
	for _, r := range tab.Requests() {
		n += r.Bytes
	}
	return n
}

// Downloaded waits for the next file that the page gives, and returns its suggested name and its content.
func (tab *Tab) Downloaded() (name string, content []byte) {
	tab.t.Helper()
	tab.until("a file to be downloaded", func() (string, error) {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		if len(tab.saved) == 0 {
			return fmt.Sprintf("%d downloads have begun", len(tab.files)), nil
		}
		id := tab.saved[0]
		var err error
		if content, err = os.ReadFile(filepath.Join(tab.downloads, id)); err != nil {
			return "", err
		}
		name, tab.saved = tab.files[id], tab.saved[1:]
		return "", nil
	})
	return name, content
}

// until asks again and again until problem is empty. What stands in the way last, and what is on the page, is in the failure.
func (tab *Tab) until(what string, ask func() (problem string, err error)) {
	tab.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		tab.revive()
		tab.limit = soon
		problem, err := ask()
		tab.limit = patience
		if err == nil && problem == "" {
			return
		}
		if tab.t.Context().Err() != nil || tab.ctx.Err() != nil {
			tab.t.Fatalf("waited for %s: %v", what, tab.ctx.Err())
		}
		if time.Now().After(deadline) {
			if err != nil { // while a page gives way to the next, there is nobody to answer
				problem = err.Error()
			}
			tab.t.Fatalf("waited for %s: %s\n%s", what, problem, tab.state())
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-tab.ctx.Done():
		}
	}
}

// revive opens the page again after the browser has crashed over it. Chromium 156 is seen to do that about once in thirty times when it is asked for something just as a page
// gives way to the next, and that is no fault of the page; crashing again and again would be.
func (tab *Tab) revive() {
	tab.t.Helper()
	tab.mu.Lock()
	crashed := tab.crashed
	tab.crashed = false
	if crashed {
		for _, r := range tab.requests {
			r.Done = true
		}
		tab.inflight = 0
	}
	tab.mu.Unlock()
	if !crashed {
		return
	}
	if tab.revived++; tab.revived > 2 {
		tab.t.Fatalf("the browser crashes over this page again and again")
	}
	if _, err := call(tab, page.Reload, page.ReloadParams{}); err != nil {
		tab.t.Fatalf("open the page again after the browser crashed: %v", err)
	}
}

// state is what there is to see, for failures.
func (tab *Tab) state() string {
	address, _ := run(tab, chromedp.Location())
	text, _ := eval[string](tab, "document.body.innerText")
	if runes := []rune(text); len(runes) > 3000 {
		text = string(runes[:3000]) + "…"
	}
	return fmt.Sprintf("at %s\nfaults: %q\n%s", address, tab.Faults(), text)
}
