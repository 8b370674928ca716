package factory

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// series is one paged listing. The API has traps, which this type knows:
//   - offset is documented as a page number, but Huawei's Terraform provider counts records with it; so the second page says
//     which it is;
//   - a page may be shorter than its limit although more follows;
//   - rows move from page to page when somebody adds or deletes an asset meanwhile, and an asset may so be skipped; so the
//     total has to stay the same in all pages and to be met exactly, or the whole is listed again;
//   - a total may be too low; so a total that is met ends the listing only after a page that is not full, or one that brings
//     nothing new. When the true total is met by a full last page this costs one more page, an empty one or, where offset
//     counts records, one that repeats the last row (after a first page alone: all rows but the first).
type series struct {
	client  *Client
	base    call
	rowsKey string
	query   func() url.Values
	limit   int
	larger  int  // a page size worth trying, or 0
	records bool // offset is known to count records
	// visit takes one row and returns what makes it unique, or "" for a row that is no asset. Pages are read side by side, so it is
	// called by several at a time.
	visit func(raw []byte) (key string, err error)
	// progress grows with every row that was new to visit.
	progress func() int

	seen    map[string]bool // what the total speaks for
	total   int
	odd     int  // see Listing.Unreadable
	steady  bool // the total was the same in all pages of the last pass
	settled bool // see Listing.Settled

	pages atomic.Int64
}

// page is what is kept of a page: not its rows, only what they are.
type page struct {
	keys  []string
	rows  int // rows with and without a key
	total int
}

// pass is one walk through all pages.
type pass struct {
	keys  map[string]bool
	total int
	odd   int // rows that could not be read
	// steady: every page said the same total. joined: no gap was seen between two pages.
	steady, joined bool
}

// run lists until the total is met, or a few passes were not enough.
func (s *series) run(ctx context.Context) error {
	tried := false  // smaller pages
	steady := false // no pass since s.seen began saw the total change
	for number := 1; ; number++ {
		p, err := s.walk(ctx)
		before := len(s.seen)
		same := steady && p.steady && p.total == s.total
		if same {
			// Rows that moved in one pass were met in another.
			maps.Copy(s.seen, p.keys)
		}
		if !same || len(p.keys) == p.total || len(s.seen) > p.total {
			s.seen = p.keys
		}
		steady, s.steady, s.total, s.odd = p.steady, p.steady, p.total, p.odd
		if err != nil && s.limit > DefaultPageSize && !tried && smaller(ctx, err) {
			// The gateway may give up on a large page where it does not on a small one.
			s.limit, tried = DefaultPageSize, true
			s.client.jobPages.Store(DefaultPageSize)
			number--
			continue
		}
		if err != nil {
			return err
		}
		if p.steady && p.joined && len(p.keys) == p.total {
			s.settled = true
			return nil
		}
		hopeless := same && p.joined && len(s.seen) <= before
		if hopeless || number == defaultListPasses {
			return nil
		}
		zerolog.Ctx(ctx).Debug().Str("operation", s.base.operation).Int("pass", number).
			Int("total", s.total).Int("unique", len(s.seen)).Msg("listing again")
	}
}

// walk reads all pages once. On an error it returns what it has.
func (s *series) walk(ctx context.Context) (pass, error) {
	p := pass{keys: map[string]bool{}, steady: true, joined: true}
	add := func(got page) (fresh int) {
		before := len(p.keys)
		for _, key := range got.keys {
			p.keys[key] = true
		}
		p.odd += got.rows - len(got.keys)
		p.steady = p.steady && (p.total == got.total)
		p.total = got.total
		return len(p.keys) - before
	}
	firstPage, err := s.first(ctx)
	p.total = firstPage.total
	add(firstPage)
	if err != nil || firstPage.rows == 0 || firstPage.rows < s.limit && firstPage.rows >= p.total {
		return p, err
	}
	ahead := s.readAhead(ctx)
	defer ahead.stop()
	// What a page gives although more should follow is the service's own page size, whatever was asked for. It is not
	// raised: the service may refuse a limit above its highest, even if it gives more rows than that.
	s.limit = min(s.limit, firstPage.rows)

	offset, previous := 1, firstPage
	records := s.records
	if records {
		offset = joint(firstPage)
	}
	for idle := 0; ; {
		got, err := ahead.page(offset)
		if err != nil {
			return p, err
		}
		if got.rows == 0 {
			break
		}
		if offset == 1 && !s.records {
			records = overlap(got, firstPage)*2 > firstPage.rows-1
		}
		if records && len(previous.keys) > 0 && previous.rows > 1 && !got.has(previous.keys[len(previous.keys)-1]) {
			p.joined = false
		}
		fresh := add(got)
		if p.steady && len(p.keys) == p.total && (got.rows < s.limit || fresh == 0) {
			break // After a full page the total alone proves nothing: it may be too low.
		}
		if fresh > 0 {
			idle = 0
		} else if idle++; idle == 2 {
			break // The service does not go on, whatever the offset.
		}
		position := (offset + 1) * s.limit
		if records {
			position = offset + got.rows
			offset += joint(got)
		} else {
			offset++
		}
		if position >= p.total && got.rows < s.limit {
			break
		}
		if got.rows == s.limit {
			ahead.expect(offset, records, p.total)
		}
		previous = got
	}
	return p, nil
}

// worthLarger is how many pages of the usual size a listing must have for larger ones to be tried: trying costs one or two calls.
const worthLarger = 4

// first reads the first page. Where much follows, it tries the largest page size, and the client remembers whether the service takes it.
func (s *series) first(ctx context.Context) (page, error) {
	usual, err := s.page(ctx, 0)
	if err != nil || s.larger <= s.limit || usual.rows < s.limit || usual.total < worthLarger*s.limit {
		return usual, err
	}
	limit := s.limit
	s.limit, s.larger = s.larger, 0
	s.base.attempts = triesOfLarger
	got, err := s.page(ctx, 0)
	s.base.attempts = 0
	if err != nil && smaller(ctx, err) {
		s.limit = limit
		s.client.jobPages.Store(int64(limit))
		return usual, nil
	}
	if err == nil {
		s.client.jobPages.Store(int64(max(limit, min(got.rows, s.limit))))
	}
	return got, err
}

// triesOfLarger is how often the first large page is asked for. A gateway takes a minute to give up.
const triesOfLarger = 2

// smaller tells whether smaller pages may do what a large one did not: the service has refused it, or did not finish it.
func smaller(ctx context.Context, err error) bool {
	var e *Error
	return errors.As(err, &e) && ctx.Err() == nil && !errors.Is(err, ErrUnauthorized) && !errors.Is(err, context.DeadlineExceeded)
}

// joint is how far the next page begins after this one where offset counts records: on its last row, so that it shows whether
// rows have moved.
func joint(p page) int { return max(1, p.rows-1) }

// overlap counts the rows of a that b has too.
func overlap(a, b page) (n int) {
	for _, key := range a.keys {
		if b.has(key) {
			n++
		}
	}
	return n
}

func (p page) has(key string) bool { return slices.Contains(p.keys, key) }

// ahead reads the pages that will very likely be asked for next, several at a time: the answer to one takes longer than the pace wants
// between two. What it guesses is only where full pages follow each other; a page that is asked for and was not guessed is read then.
type ahead struct {
	s       *series
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	pages   map[int]chan answer // by offset
	most    int                 // how many pages are read at the same time
}

type answer struct {
	page page
	err  error
}

// pagesAhead is how many pages of one listing are read at the same time. With answers after 50 ms it keeps a pace of 80 in a second, which
// is more than the service allows; there is nothing to win above.
const pagesAhead = 4

func (s *series) readAhead(ctx context.Context) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	return &ahead{s: s, ctx: ctx, cancel: cancel, pages: map[int]chan answer{}, most: pagesAhead}
}

// expect starts reading the pages that follow when offset is the next and the listing goes on with full pages up to its total.
func (a *ahead) expect(offset int, records bool, total int) {
	step, size := 1, a.s.limit
	if records {
		step, size = joint(page{rows: a.s.limit}), 1
	}
	for n := 0; n < a.most && (offset*size < total-1 || n == 0); n++ {
		if a.pages[offset] == nil {
			result := make(chan answer, 1)
			a.pages[offset] = result
			at := offset
			a.workers.Go(func() {
				got, err := a.s.page(a.ctx, at)
				result <- answer{got, err}
			})
		}
		offset += step
	}
}

// page returns the page at offset.
func (a *ahead) page(offset int) (page, error) {
	if result := a.pages[offset]; result != nil {
		delete(a.pages, offset)
		got := <-result
		return got.page, got.err
	}
	return a.s.page(a.ctx, offset)
}

// stop ends what is read for nothing. When it returns no row is visited any more.
func (a *ahead) stop() {
	a.cancel()
	a.workers.Wait()
}

// page reads one page. When it breaks off it is read again, and as long as that brings new rows there is no limit to the
// attempts: a page may be large and the reader of its rows slow, and the gateway does not wait for ever.
func (s *series) page(ctx context.Context, offset int) (page, error) {
	var got page
	q := s.base
	q.query = s.query()
	q.query.Set("offset", strconv.Itoa(offset))
	q.query.Set("limit", strconv.Itoa(s.limit))
	q.accept = func(body io.Reader, _ http.Header) error {
		got = page{}
		var err error
		got.rows, got.total, err = readPage(body, s.rowsKey, s.client.options.MaxBodySize, func(raw json.RawMessage) error {
			key, err := s.visit(raw)
			if err == nil && key != "" {
				got.keys = append(got.keys, key)
			}
			return err
		})
		return err
	}
	for {
		before := s.progress()
		err := s.client.do(ctx, &q)
		if err == nil {
			s.pages.Add(1)
			return got, nil
		}
		var e *Error
		if !errors.As(err, &e) || !e.transient || ctx.Err() != nil || s.progress() == before {
			return got, err
		}
	}
}
