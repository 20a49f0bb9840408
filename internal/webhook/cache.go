package webhook

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sreg-project/sreg/internal/cache"
)

// remembered finds an answer in the cache, which keeps the status alone. What is no cacheable status is a miss.
func (c *Client) remembered(ctx context.Context, key string) (Answer, bool) {
	value, ok := c.answers.Get(ctx, key)
	if !ok || len(value) != len("200") {
		return Answer{}, false
	}
	status, err := strconv.Atoi(string(value))
	answer := answerOf(status)
	answer.Cached = true
	return answer, err == nil && answer.cacheable()
}

// key is the name of a question in the cache, the same for all instances with this config.
func (c *Client) key(q Question) string {
	parts := []string{c.config.Name, c.config.URL, c.config.Method, c.config.Username, string(q.Document), strconv.Itoa(len(q.Facts))}
	for _, fact := range q.Facts {
		parts = append(parts, fact.Name, strconv.Itoa(len(fact.Values)))
		parts = append(parts, fact.Values...)
	}
	for _, name := range c.forward {
		parts = append(parts, name, strconv.Itoa(len(q.Incoming[name])))
		parts = append(parts, q.Incoming[name]...)
	}
	return cache.Key("webhook", parts...)
}

// cacheable reports whether the same question may get this answer again: only statuses that say yes or no.
func (a Answer) cacheable() bool {
	return a.Result == Allowed || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
}
