// Command floor is the least that a program can do to copy the jobs and scripts of a workspace into a bucket: list them, get each, hash it, put it, and
// write a manifest. It signs with the SDK, keeps its connections, and knows nothing of errors, retries, limits, changes meanwhile or other kinds: it is what
// the backup function is measured against. It is configured as that is, by environment variables, and by FLOOR_CONCURRENCY, how many assets it has in
// hand at once, and FLOOR_WRITERS, how many puts run beside that many gets (0: none, each get is followed by its put). With FLOOR_PUTS it only writes that many
// objects.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

type floor struct {
	client   *http.Client
	endpoint string // of DataArts
	project  string
	space    string
	store    string // base URL of the folder
	keys     iam.Credentials
}

type entry struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Key    string `json:"key"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func run() error {
	concurrency, err := strconv.Atoi(os.Getenv("FLOOR_CONCURRENCY"))
	if err != nil {
		return fmt.Errorf("FLOOR_CONCURRENCY: %w", err)
	}
	writers, err := strconv.Atoi(os.Getenv("FLOOR_WRITERS"))
	if err != nil {
		return fmt.Errorf("FLOOR_WRITERS: %w", err)
	}
	f := &floor{
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency + writers, DisableCompression: true}},
		endpoint: os.Getenv("DATAARTS_ENDPOINT"), project: os.Getenv("DATAARTS_PROJECT_ID"), space: os.Getenv("DATAARTS_WORKSPACES"),
		store: os.Getenv("OBS_ENDPOINT") + "/" + strings.TrimPrefix(os.Getenv("BACKUP_LOCATION"), "obs://"),
		keys:  iam.Credentials{AccessKey: os.Getenv("HUAWEICLOUD_SDK_AK"), SecretKey: os.Getenv("HUAWEICLOUD_SDK_SK")},
	}
	if text := os.Getenv("FLOOR_PUTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("FLOOR_PUTS: %w", err)
		}
		return f.putAll(n, writers)
	}
	var entries []entry
	for _, list := range []struct{ kind, end, jobType string }{{"jobs", ".job", "BATCH"}, {"jobs", ".job", "REAL_TIME"}, {"scripts", ".script", ""}} {
		names, err := f.list(list.kind, list.jobType)
		if err != nil {
			return err
		}
		for _, name := range names {
			entries = append(entries, entry{Kind: list.kind, Name: name, Key: list.kind + "/" + name + list.end})
		}
	}
	if err := f.copyAll(entries, concurrency, writers); err != nil {
		return err
	}
	manifest, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	return f.put("manifest.json", manifest)
}

// list returns the names of one list, page by page.
func (f *floor) list(kind, jobType string) ([]string, error) {
	var names []string
	for page := 0; ; page++ {
		query := map[string]string{"limit": "100", "offset": strconv.Itoa(page)}
		if jobType != "" {
			query["jobType"] = jobType
		}
		body, err := f.get("/v1/"+f.project+"/"+kind, query)
		if err != nil {
			return nil, err
		}
		type row struct{ Name string }
		var answer struct {
			Total         int
			Jobs, Scripts []row
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return nil, err
		}
		rows := append(answer.Jobs, answer.Scripts...)
		for _, r := range rows {
			names = append(names, r.Name)
		}
		if len(names) >= answer.Total || len(rows) == 0 {
			return names, nil
		}
	}
}

// fetched is an asset on its way.
type fetched struct {
	key  string
	body []byte
}

// copyAll gets every asset with so many calls at once. With writers, that many puts run beside them; with none, who gets an asset puts it.
func (f *floor) copyAll(entries []entry, concurrency, writers int) error {
	failures := make(chan error, concurrency+writers)
	work, got := make(chan *entry), make(chan fetched, writers)
	var getting, putting sync.WaitGroup
	for range concurrency {
		getting.Go(func() {
			for e := range work {
				body, err := f.get("/v1/"+f.project+"/"+e.Kind+"/"+e.Name, nil)
				sum := sha256.Sum256(body)
				e.Size, e.SHA256 = len(body), hex.EncodeToString(sum[:])
				switch {
				case err == nil && writers > 0:
					got <- fetched{e.Key, body}
				case err == nil:
					err = f.put(e.Key, body)
				}
				if err != nil {
					failures <- err
					for range work { // so that nobody waits to hand on more
					}
				}
			}
		})
	}
	for range writers {
		putting.Go(func() {
			for next := range got {
				if err := f.put(next.key, next.body); err != nil {
					failures <- err
					for range got {
					}
				}
			}
		})
	}
	for i := range entries {
		work <- &entries[i]
	}
	close(work)
	getting.Wait()
	close(got)
	putting.Wait()
	close(failures)
	return <-failures
}

// putAll puts n objects of 3 KB, and asks DataArts for nothing: it is what the store alone can take.
func (f *floor) putAll(n, writers int) error {
	body := bytes.Repeat([]byte("x"), 3000)
	failures := make(chan error, writers)
	work := make(chan int)
	var putting sync.WaitGroup
	for range writers {
		putting.Go(func() {
			for i := range work {
				if err := f.put("alone/"+strconv.Itoa(i), body); err != nil {
					failures <- err
					for range work { // so that nobody waits to hand on more
					}
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	putting.Wait()
	close(failures)
	return <-failures
}

// get calls DataArts.
func (f *floor) get(path string, query map[string]string) ([]byte, error) {
	builder := request.NewHttpRequestBuilder().WithEndpoint(f.endpoint).WithPath(path).WithMethod(http.MethodGet).
		AddHeaderParam("X-Project-Id", f.project).AddHeaderParam("workspace", f.space).AddHeaderParam("Content-Type", "application/json;charset=UTF-8")
	url := f.endpoint + path
	separator := "?"
	for name, value := range query {
		builder.AddQueryParam(name, reflect.ValueOf(value))
		url += separator + name + "=" + value
		separator = "&"
	}
	signed := builder.Build()
	added, err := signer.Sign(signed, f.keys.AccessKey, f.keys.SecretKey)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	for _, headers := range []map[string]string{signed.GetHeaderParams(), added} {
		for name, value := range headers {
			r.Header.Set(name, value)
		}
	}
	return f.do(r)
}

// put writes an object.
func (f *floor) put(key string, body []byte) error {
	r, err := http.NewRequest(http.MethodPut, f.store+"/"+key, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := iam.SignV4(r, f.keys, "us-east-1", time.Now()); err != nil {
		return err
	}
	_, err = f.do(r)
	return err
}

func (f *floor) do(r *http.Request) ([]byte, error) {
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %.200s", r.Method, r.URL.Path, answer.StatusCode, body)
	}
	return body, nil
}
