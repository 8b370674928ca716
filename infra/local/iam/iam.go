// Package iam is the account service of the local cloud: the access keys that exist, permanent ones and temporary ones with a
// security token, so that the emulated services check signatures instead of believing them.
package iam

import "sync"

// Credentials are an access key pair, with a security token if they are temporary.
type Credentials struct {
	AccessKey     string
	SecretKey     string
	SecurityToken string // empty for permanent keys
}

// Keyring holds the keys of one account. It is safe for concurrent use; the zero value is an account without keys.
type Keyring struct {
	mu   sync.RWMutex
	keys map[string]Credentials
}

// Add makes keys valid.
func (k *Keyring) Add(c Credentials) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[string]Credentials{}
	}
	k.keys[c.AccessKey] = c
}

// Remove makes keys invalid, as when temporary keys expire.
func (k *Keyring) Remove(accessKey string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, accessKey)
}

// Lookup returns the keys with this access key id. A service must check that the request carries exactly the security token
// they have (none for permanent keys).
func (k *Keyring) Lookup(accessKey string) (Credentials, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.keys[accessKey]
	return c, ok
}
