package chromium

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

func TestTab_opens_a_page_again_over_which_the_browser_crashed(t *testing.T) {
	t.Parallel()
	path, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!DOCTYPE html><link rel="icon" href="data:,"><title>t</title><p>fine</p><button>Go</button>`))
	}))
	t.Cleanup(s.Close)
	tab := b.Open(t, View{})
	tab.Go(s.URL)
	ctx, cancel := context.WithCancel(tab.ctx)
	defer cancel()
	go func() {
		_, _ = chromedp.Call(ctx, page.Crash, cdp.Empty{}) // there is nobody left to answer
	}()
	tab.until("the crash", func() (string, error) {
		if tab.revived == 0 {
			return "it has not happened", nil
		}
		return "", nil
	})
	tab.WaitText("fine")
	tab.Click("button", "Go")
	if faults := tab.Faults(); len(faults) > 0 {
		t.Errorf("faults %q", faults)
	}
}
