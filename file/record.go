package file

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// How a session is laid out in its file; all numbers are little endian. The deadline has
// a checksum of its own, so that a touch can write it in place without the data.
//
//	 0  8  "SOJOURN1"
//	 8  8  deadline, nanoseconds since 1970
//	16  4  CRC-32C of bytes 0 to 16
//	20  8  revision
//	28  2  length of the id
//	30  2  length of the owner
//	32  4  length of the data
//	36     id, owner, data
//	-4  4  CRC-32C of bytes 20 to here
const (
	magic        = "SOJOURN1"
	deadlineAt   = 8
	deadlineEnd  = 20
	headerSize   = 36
	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is what a file holds.
type record struct {
	id       string
	owner    string
	data     []byte // of the bytes that were read
	revision store.Revision
	deadline time.Time
}

func (r *record) encode() []byte {
	size := headerSize + len(r.id) + len(r.owner) + len(r.data) + checksumSize
	b := make([]byte, 0, size)
	b = append(b, magic...)
	b = append(b, encodeDeadline(r.deadline)...)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.revision))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.id)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.owner)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.data)))
	b = append(b, r.id...)
	b = append(b, r.owner...)
	b = append(b, r.data...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[deadlineEnd:], castagnoli))
}

// encodeDeadline returns the bytes that a touch writes at deadlineAt.
func encodeDeadline(t time.Time) []byte {
	b := make([]byte, 0, deadlineEnd)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[deadlineAt:]
}

// decode reads a whole file.
func decode(b []byte) (r record, ok bool) {
	deadline, ok := decodeDeadline(b)
	if !ok || len(b) < headerSize+checksumSize {
		return record{}, false
	}
	body, sum := b[deadlineEnd:len(b)-checksumSize], b[len(b)-checksumSize:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return record{}, false
	}
	idLen, ownerLen, dataLen := int(binary.LittleEndian.Uint16(b[28:])), int(binary.LittleEndian.Uint16(b[30:])), int(binary.LittleEndian.Uint32(b[32:]))
	if uint64(len(b)) != headerSize+uint64(idLen)+uint64(ownerLen)+uint64(binary.LittleEndian.Uint32(b[32:]))+checksumSize {
		return record{}, false
	}
	text := string(b[headerSize : headerSize+idLen+ownerLen])
	end := headerSize + idLen + ownerLen + dataLen
	r = record{
		id: text[:idLen], owner: text[idLen:], data: b[end-dataLen : end : end],
		revision: store.Revision(binary.LittleEndian.Uint64(b[20:])), deadline: deadline,
	}
	return r, r.revision != 0
}

// decodeDeadline reads the beginning of a file.
func decodeDeadline(b []byte) (t time.Time, ok bool) {
	if len(b) < deadlineEnd || string(b[:len(magic)]) != magic ||
		crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(b[deadlineAt:]))), true
}
