package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// V4 signs for a service of AWS with Signature Version 4 ("AWS Signature Version 4 for API requests" of the IAM user guide). It uses the SDK's signer. S3 is
// not among the services: its paths are signed in another way. ProjectID and KeepColons of a request mean nothing here.
type V4 struct {
	Service string // as credential scopes name it: "lambda"
	Region  string // "eu-central-1"
}

// Sign makes the HTTP request.
func (v V4) Sign(r Request, keys Credentials, now time.Time) (*http.Request, error) {
	// A colon that is not escaped is signed in one way by the SDK and may be read in another one by a proxy; the SDK's clients escape it, too.
	r.KeepColons = false
	request, err := r.unsigned()
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", r.ContentType)
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", r.UserAgent)
	// The signer looks into its context for a logger only, which it does not have here.
	digest := sha256.Sum256(r.Body)
	err = sdkv4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: keys.AccessKey, SecretAccessKey: keys.SecretKey, SessionToken: keys.SecurityToken},
		request, hex.EncodeToString(digest[:]), v.Service, v.Region, now)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return request, nil
}
