// Package chromium drives a headless Chromium over its DevTools protocol, for tests of the page and for its screenshots.
//
// What it guarantees: a Tab does what a person can do and nothing else: it finds controls by the role and the name that a screen reader would say, clicks where they
// are, and types keys; it waits for what is seen and never for time; and it remembers everything that a page must not do (Tab.Faults): errors in
// the console, violations of the content security policy, requests to other hosts, dialogs that script opened.
package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// Browser is a running Chromium. It is safe for concurrent use.
type Browser struct {
	ctx  context.Context
	stop context.CancelFunc
}

// Find looks for the program: what the variable CHROMIUM names, else the first of the names that systems know it by.
func Find() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("find the browser named by CHROMIUM: %w", err)
		}
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium was found: install the package chromium (apt-get install chromium), or say in the variable CHROMIUM where one is")
}

// Start starts the browser at a path. It runs until Close.
func Start(ctx context.Context, path string) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("font-render-hinting", "none"), // the same letters on every machine that has the same fonts
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true), // everything is on this machine
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-features", "Translate,BackForwardCache,OnDeviceModelService"),
	)
	if os.Geteuid() == 0 { // Chromium refuses its sandbox to root, and the only pages shown are our own.
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(allocator)
	b := &Browser{ctx: browser, stop: func() { stopBrowser(); stopAllocator() }}
	if err := chromedp.Do(browser); err != nil { // starts it
		b.stop()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// Close ends the browser and its tabs.
func (b *Browser) Close() { b.stop() }
