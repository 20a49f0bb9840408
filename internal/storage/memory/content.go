package memory

import (
	"io"
	"sort"
)

// content is bytes in pieces, each of which is written before anybody sees it and never changes.
type content struct {
	chunks []chunk
	size   int64
	cost   int64 // in bytes, what of the store's room it takes
}

type chunk struct {
	data []byte
	end  int64 // of data in the content
}

// chunkCost is what a chunk of n bytes takes. None is empty.
func chunkCost(n int) int64 {
	if n == 0 {
		return 0
	}
	return int64(n) + perChunk
}

// add appends a chunk, which belongs to the content from then on.
func (c *content) add(data []byte) {
	if len(data) == 0 {
		return
	}
	c.size += int64(len(data))
	c.cost += chunkCost(len(data))
	c.chunks = append(c.chunks, chunk{data: data, end: c.size})
}

func (c *content) ReadAt(p []byte, offset int64) (n int, err error) {
	first := sort.Search(len(c.chunks), func(i int) bool { return c.chunks[i].end > offset })
	for _, chunk := range c.chunks[first:] {
		if n == len(p) {
			return n, nil
		}
		at := offset + int64(n) - (chunk.end - int64(len(chunk.data)))
		n += copy(p[n:], chunk.data[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// bytes is a copy of all of it.
func (c *content) bytes() []byte {
	all := make([]byte, 0, c.size)
	for _, chunk := range c.chunks {
		all = append(all, chunk.data...)
	}
	return all
}

// reader reads a content, whatever becomes of its object.
type reader struct{ *io.SectionReader }

func (c content) reader() reader { return reader{io.NewSectionReader(&c, 0, c.size)} }

func (reader) Close() error { return nil }
