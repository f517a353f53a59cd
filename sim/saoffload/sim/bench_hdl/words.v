// Memory words in the simulator's own memory. A rising do_load fills them from the file memory.hex in the folder that
// the simulation runs in: words in hexadecimal, after @ the number of the first of them.
module saoffload_words(do_load, address, word);
  parameter WIDTH = 64;
  parameter ADDRESS_BITS = 23;
  input do_load;
  input [ADDRESS_BITS-1:0] address;
  output [WIDTH-1:0] word;
  reg [WIDTH-1:0] words [0:(1<<ADDRESS_BITS)-1];
  always @(posedge do_load) $readmemh("memory.hex", words);
  assign word = words[address];
endmodule
