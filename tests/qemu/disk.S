/* SPDX-License-Identifier: GPL-2.0 */
/*
 * disk.S - the guest of the test client-qemu: a boot sector that does disk I/O on request
 *
 * It reads requests of one byte from COM1: 'r' reads a sector of the disk from which it was booted, an upper-case letter
 * writes the sector, filled with this letter. The answer on COM1 is the first byte of the sector that was read, '.' after
 * a write, or '!' after an error. The first answer, '>', says that it is running.
 */

#define COM1	0x3f8
#define SECTOR	8
#define BUFFER	0x8000

	.code16
	.globl _start
_start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	mov	%dl, drive
	sti
	cld
	mov	$'>', %al

answer:
	mov	$COM1, %dx
	out	%al, %dx

/* The timer interrupt ends each wait. */
wait:
	hlt
	mov	$(COM1 + 5), %dx
	in	%dx, %al
	test	$1, %al
	jz	wait
	mov	$COM1, %dx
	in	%dx, %al
	mov	$0x42, %ah
	cmp	$'r', %al
	je	transfer
	mov	$BUFFER, %di
	mov	$512, %cx
	rep stosb
	mov	$0x43, %ah

/* AH is the function of the BIOS: 42h to read, 43h to write. */
transfer:
	movw	$1, packet + 2		# after an error, the BIOS has cleared it
	push	%ax
	xor	%al, %al
	mov	drive, %dl
	mov	$packet, %si
	int	$0x13
	pop	%bx
	mov	$'!', %al
	jc	answer
	mov	$'.', %al
	cmp	$0x43, %bh
	je	answer
	mov	BUFFER, %al
	jmp	answer

drive:	.byte	0
packet:	.byte	16, 0
	.word	1, BUFFER, 0
	.quad	SECTOR

	.org	510
	.word	0xaa55
