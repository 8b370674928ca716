package obs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Get opens an object. Reading ends with an error when the body ends early, stands still for Options.StallTimeout, or the context
// ends. Info.Size is -1 where the service does not announce the size.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	return b.get(ctx, key, "", "")
}

// get opens an object or a byte range of it ("bytes=0-99"), on condition that it has this ETag unless that is empty.
func (b *Bucket) get(ctx context.Context, key, byteRange, etag string) (io.ReadCloser, store.Info, error) {
	c, o := b.client, op{"get object", b.name, key}
	if err := checkKey(key); err != nil {
		return nil, store.Info{}, c.fail(o, 0, err)
	}
	var opened *body
	var info store.Info
	err := c.do(ctx, o, 0, func(a *attempt) error {
		input := &sdk.GetObjectInput{Range: byteRange}
		input.Bucket, input.Key, input.IfMatch = b.name, key, quoteETag(etag)
		output, err := a.sdk.GetObject(input, c.clock())
		if err != nil {
			return err
		}
		if byteRange != "" && output.StatusCode != http.StatusPartialContent {
			_ = output.Body.Close()
			return &invalid{"the store does not give parts of objects"}
		}
		info = infoOf(key, &output.GetObjectMetadataOutput)
		opened = &body{from: output.Body, ctx: ctx, attempt: a, left: info.Size, client: c, op: o}
		a.keep = true
		return nil
	})
	if err != nil {
		return nil, store.Info{}, err
	}
	return opened, info, nil
}

// Stat asks for an object without its body. Info.Size is -1 where the service does not announce the size.
func (b *Bucket) Stat(ctx context.Context, key string) (store.Info, error) {
	if err := checkKey(key); err != nil {
		return store.Info{}, b.client.fail(op{"head object", b.name, key}, 0, err)
	}
	info, _, err := b.stat(ctx, key)
	return info, err
}

// stat asks for an object, and whether the service encrypts it.
func (b *Bucket) stat(ctx context.Context, key string) (store.Info, encryption, error) {
	c, o := b.client, op{"head object", b.name, key}
	var info store.Info
	var enc encryption
	err := c.do(ctx, o, 0, func(a *attempt) error {
		output, err := a.sdk.GetObjectMetadata(&sdk.GetObjectMetadataInput{Bucket: b.name, Key: key}, c.clock())
		if err != nil {
			return err
		}
		info, enc = infoOf(key, output), encryptionOf(output.ResponseHeaders)
		return nil
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && e.Code == "" {
		// Answers to HEAD have no body, so a 404 does not say whose it is. Ask again in a way that makes the service speak.
		opened, info, err := b.get(ctx, key, "", "")
		if err != nil {
			return store.Info{}, enc, err
		}
		return info, enc, opened.Close()
	}
	return info, enc, err
}

// encryption says whether an answer speaks of encryption on the server, so that ETags are not MD5s.
type encryption bool

func encryptionOf(headers map[string][]string) encryption {
	return header(headers, "server-side-encryption") != "" || header(headers, "server-side-encryption-customer-algorithm") != ""
}

func infoOf(key string, output *sdk.GetObjectMetadataOutput) store.Info {
	info := store.Info{Key: key, Size: output.ContentLength, ETag: cleanETag(output.ETag), LastModified: output.LastModified.UTC()}
	if header(output.ResponseHeaders, "content-length") == "" {
		info.Size = -1
	}
	info.RetainUntil = retainUntil(output.ResponseHeaders)
	return info
}

// retainUntil reads how long an object is protected: x-obs-object-lock-retain-until-date, in S3 x-amz-object-lock-retain-until-date and
// x-amz-object-lock-legal-hold. A date that cannot be read, and a legal hold, end never.
func retainUntil(headers map[string][]string) time.Time {
	never := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	text := header(headers, "object-lock-retain-until-date")
	switch {
	case strings.EqualFold(header(headers, "object-lock-legal-hold"), "ON"):
		return never
	case text == "":
		return time.Time{}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC()
	}
	if milliseconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(milliseconds).UTC()
	}
	return never
}

// cleanETag takes the quotes off an ETag.
func cleanETag(etag string) string { return strings.Trim(etag, `"`) }

// quoteETag puts an ETag into a header.
func quoteETag(etag string) string {
	if etag == "" {
		return ""
	}
	return `"` + etag + `"`
}

// body is an object being read.
type body struct {
	from    io.ReadCloser
	ctx     context.Context // the caller's
	attempt *attempt
	left    int64 // bytes still to come; negative if unknown
	client  *Client
	op      op
	close   sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	// What has arrived already could still be read: whether it has must not decide.
	if err := b.ctx.Err(); err != nil {
		return 0, b.client.fail(b.op, 1, err)
	}
	stall := time.AfterFunc(b.client.opts.StallTimeout, func() { b.attempt.cancel(errStalled) })
	n, err := b.from.Read(p)
	stall.Stop()
	if b.left >= 0 {
		b.left = max(b.left-int64(n), 0)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && b.left <= 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case b.ctx.Err() != nil:
		err = b.ctx.Err()
	case errors.Is(context.Cause(b.attempt.ctx), errStalled):
		err = errStalled
	}
	return n, b.client.fail(b.op, 1, err)
}

func (b *body) Close() error {
	var err error
	b.close.Do(func() {
		err = b.from.Close()
		b.attempt.cancel(nil)
	})
	return err
}
