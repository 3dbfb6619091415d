"""What the machine offers: cores, processes, memory, and arrays larger than memory."""
