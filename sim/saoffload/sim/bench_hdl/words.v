// Memory words in the simulator's own memory. A rising do_load fills them from a file in the folder that the simulation
// runs in: words in hexadecimal, after @ the number of the first of them. Words that the file does not name stay.
module saoffload_words(do_load, address, word);
  parameter WIDTH = 64;
  parameter ADDRESS_BITS = 23;
  parameter FILE = "memory.hex";
  input do_load;
  input [ADDRESS_BITS-1:0] address;
  output [WIDTH-1:0] word;
  reg [WIDTH-1:0] words [0:(1<<ADDRESS_BITS)-1];
  always @(posedge do_load) $readmemh(FILE, words);
  assign word = words[address];
endmodule
