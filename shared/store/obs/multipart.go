package obs

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// How long an upload that failed may take to be given up, after the caller's context may have ended. Parts of an upload that is
// never given up are stored, and paid for, until somebody looks.
const abortTimeout = 15 * time.Second

// copyParts writes a large object part by part: the service copies the parts by itself, or they travel through here.
func (b *Bucket) copyParts(ctx context.Context, o op, origin *Bucket, source store.Info, key string, byService bool) (err error) {
	size := int64(copyPartSize)
	if !byService {
		size = b.client.opts.PartSize
	}
	size = max(min(size, b.client.opts.CopyLimit), (source.Size+maxParts-1)/maxParts)
	id, err := b.initiate(ctx, o, key)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abort(ctx, key, id))
		}
	}()
	var parts []sdk.Part
	for start := int64(0); start < source.Size; start += size {
		length := min(size, source.Size-start)
		number := len(parts) + 1
		var etag string
		if byService {
			etag, err = b.copyPart(ctx, o, origin, source, key, id, number, start, length)
		} else {
			etag, err = b.carryPart(ctx, o, origin, source, key, id, number, start, length)
		}
		if err != nil {
			return err
		}
		parts = append(parts, sdk.Part{PartNumber: number, ETag: etag})
	}
	return b.complete(ctx, o, source.Size, key, id, parts, "")
}

func (b *Bucket) initiate(ctx context.Context, o op, key string) (id string, err error) {
	c := b.client
	err = c.do(ctx, o, 0, func(a *attempt) error {
		input := &sdk.InitiateMultipartUploadInput{}
		input.Bucket, input.Key = b.name, key
		output, err := a.sdk.InitiateMultipartUpload(input, c.clock())
		if err != nil {
			return err
		}
		if output.UploadId == "" {
			return errors.New("the answer names no upload")
		}
		id = output.UploadId
		return nil
	})
	return id, err
}

func (b *Bucket) copyPart(ctx context.Context, o op, origin *Bucket, source store.Info, key, id string, number int, start, length int64) (etag string, err error) {
	c := b.client
	err = c.do(ctx, o, length, func(a *attempt) error {
		input := &sdk.CopyPartInput{
			Bucket: b.name, Key: key, UploadId: id, PartNumber: number, CopySourceBucket: origin.name, CopySourceKey: source.Key,
			CopySourceRange: fmt.Sprintf("bytes=%d-%d", start, start+length-1),
		}
		output, err := a.sdk.CopyPart(input, c.clock(),
			sdk.WithCustomHeader(c.serviceHeader("copy-source"), copySource(store.Location{Bucket: origin.name, Key: source.Key})),
			sdk.WithCustomHeader(c.serviceHeader("copy-source-if-match"), quoteETag(source.ETag)))
		if err != nil {
			return err
		}
		if output.XMLName.Local == "" || output.ETag == "" {
			return errors.New("the answer does not say that the part was copied")
		}
		etag = output.ETag
		return nil
	})
	return etag, err
}

func (b *Bucket) carryPart(ctx context.Context, o op, origin *Bucket, source store.Info, key, id string, number int, start, length int64) (etag string, err error) {
	data, err := origin.readRange(ctx, source, start, length)
	if err != nil {
		return "", err
	}
	return b.uploadPart(ctx, o, key, id, number, data)
}

// uploadPart sends one part with its MD5 and compares the ETag that the service answers.
func (b *Bucket) uploadPart(ctx context.Context, o op, key, id string, number int, data []byte) (etag string, err error) {
	c := b.client
	sum := md5.Sum(data)
	err = c.do(ctx, o, int64(len(data)), func(a *attempt) error {
		output, err := a.sdk.UploadPart(&sdk.UploadPartInput{
			Bucket: b.name, Key: key, UploadId: id, PartNumber: number, PartSize: int64(len(data)),
			Body: bytes.NewReader(data), ContentMD5: base64.StdEncoding.EncodeToString(sum[:]),
		}, c.clock())
		if err != nil {
			return err
		}
		etag = output.ETag
		if answered := cleanETag(etag); isMD5(answered) && !bool(encryptionOf(output.ResponseHeaders)) && answered != hex.EncodeToString(sum[:]) {
			return c.damaged(o, fmt.Sprintf("part %d has ETag %s", number, answered))
		}
		return nil
	})
	return etag, err
}

// complete makes the parts an object. Its answer can be lost too; the next attempt then hears that there is no such upload, and
// what the store holds decides. whole is the MD5 of all bytes, empty where it is not known: some services make it the ETag.
func (b *Bucket) complete(ctx context.Context, o op, size int64, key, id string, parts []sdk.Part, whole string) error {
	c := b.client
	var sent int
	err := c.do(ctx, o, size, func(a *attempt) error {
		sent = a.number
		output, err := a.sdk.CompleteMultipartUpload(&sdk.CompleteMultipartUploadInput{Bucket: b.name, Key: key, UploadId: id, Parts: parts}, c.clock())
		if err == nil && output.ETag == "" {
			return errors.New("the answer does not say that the upload was completed")
		}
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && sent > 1 && e.Status == http.StatusNotFound && e.Code == "NoSuchUpload" {
		if stored, _, statErr := b.stat(ctx, key); statErr == nil && stored.Size == size && stored.ETag != "" &&
			(stored.ETag == multipartETag(parts) || stored.ETag == whole) {
			return nil
		}
	}
	return err
}

// multipartETag is the ETag of an object made of parts, where it is made from MD5s: documented for S3 and seen on every server.
func multipartETag(parts []sdk.Part) string {
	whole := md5.New()
	for _, part := range parts {
		sum, err := hex.DecodeString(cleanETag(part.ETag))
		if err != nil {
			return ""
		}
		whole.Write(sum)
	}
	return fmt.Sprintf("%x-%d", whole.Sum(nil), len(parts))
}

// abort gives an upload up, even when the caller's context has ended.
func (b *Bucket) abort(ctx context.Context, key, id string) error {
	c := b.client
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := c.do(ctx, op{"abort upload of", b.name, key}, 0, func(a *attempt) error {
		_, err := a.sdk.AbortMultipartUpload(&sdk.AbortMultipartUploadInput{Bucket: b.name, Key: key, UploadId: id}, c.clock())
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// readRange reads a piece of an object into memory, from the object as it was when source was looked up. A body that breaks off
// is asked for again.
func (b *Bucket) readRange(ctx context.Context, source store.Info, start, length int64) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	var last error
	for n := 1; n <= b.client.opts.Attempts; n++ {
		opened, _, err := b.get(ctx, source.Key, fmt.Sprintf("bytes=%d-%d", start, start+length-1), source.ETag)
		if err != nil {
			return nil, err
		}
		data := make([]byte, length)
		_, err = io.ReadFull(opened, data)
		if err = errors.Join(err, opened.Close()); err == nil {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		last = err
	}
	return nil, last
}
